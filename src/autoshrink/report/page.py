"""The explorer: one self-contained HTML file that shows a run's searches."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from autoshrink.cells.cell import Cell, Edge
from autoshrink.cells.drawing import Description
from autoshrink.params.base import Task
from autoshrink.planner.published import PUBLISHED, REPRODUCED
from autoshrink.records.best import Finals
from autoshrink.records.evaluation import EpochEntry
from autoshrink.records.history import GrowthEntry, TrainingHistory
from autoshrink.records.predictions import ImagePredictions, Predictions, TextPredictions
from autoshrink.records.proposal import COUNTED, in_full, said
from autoshrink.report import charts, metrics
from autoshrink.report import verdicts as verdict_panels
from autoshrink.report.charts import COST, METRIC
from autoshrink.report.metrics import MEASURED, Row
from autoshrink.report.plans import Panel
from autoshrink.report.runs import EvaluatedCell, Round, Search
from autoshrink.report.view import (
    CandidateView,
    CellView,
    ClassAccuracy,
    ConfusionShare,
    FinalistView,
    FinalsView,
    FinalView,
    GrowthGain,
    GrowthsView,
    ImagesView,
    NodeWidth,
    PageView,
    ReportedView,
    RoundView,
    SearchView,
    TaskView,
    TextView,
    TrainingView,
)
from autoshrink.tasks.spec import spec_of

Value = float | bool | None
"""A number of one epoch."""

# No chart can show the perplexity of a greater loss, and no float can hold that of a much greater one.
LARGEST_LOSS = 50.0
# Classes that a confusion matrix can show, and confusions that a table lists.
MOST_CLASSES, MOST_CONFUSED = 40, 12
LEAST_RANKED = 3  # growths that a rank correlation is worth a word of
SCRIPTS = ("drawing.js", "plots.js", "panels.js", "comparison.js", "explorer.js")


def render(
    searches: Sequence[Search],
    table: Sequence[Row],
    notes: Sequence[str],
    other: Sequence[Search] = (),
    names: tuple[str, str] = ("this run", "other run"),
    plans: Sequence[Panel] = (),
    verdicts: Sequence[verdict_panels.Panel] = (),
) -> str:
    """Return the page of a run; with ``other``, the searches of a second run, it also compares the two (``names``)."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("autoshrink.report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("explorer.html.j2").render(
        style=_text("explorer.css")
        + (_text("plans.css") if plans else "")
        + (_text("verdicts.css") if verdicts else ""),
        library=_library(),
        scripts=[_text(name) for name in SCRIPTS],
        data=_embedded(data(searches, other, names).to_json()),
        tables=_tables(table),
        notes=notes,
        searches=searches,
        plans=plans,
        verdicts=verdicts,
        published=PUBLISHED,
        reproduced=REPRODUCED,
    )


def data(searches: Sequence[Search], other: Sequence[Search], names: tuple[str, str]) -> PageView:
    """Return all that the page's code knows."""
    both = [*searches, *other]
    operators = {operator for search in both for cell in _cells(search) for operator in cell.operators}
    tasks = [task for task in Task if any(search.task == task for search in searches)]
    return PageView(
        names=names[: 2 if other else 1],
        drawing=Description.of((search.size for search in both), operators),
        tasks={task.value: _task(task) for task in tasks},
        charts={
            f"{task}-{shrinks}": charts.of_search(task, shrinks)
            for task, shrinks in sorted({(search.task, search.shrinks) for search in searches})
        },
        searches=tuple(map(_search, searches)),
        other=tuple(map(_search, other)),
    )


def _task(task: Task) -> TaskView:
    spec = spec_of(task)
    return TaskView(
        title=spec.title,
        metric=METRIC[task],
        cost=COST[task][1],
        perplexity=spec.metric.is_perplexity,
        reported=tuple(
            ReportedView(key=item.key, title=item.title, heading=item.heading, perplexity=item.is_perplexity)
            for item in sorted(spec.reported, key=lambda item: item.key != spec.metric.test)
        ),
        comparison=charts.comparison(task),
    )


def _search(search: Search) -> SearchView:
    key = COST[search.task][0]
    return SearchView(
        task=search.task.value,
        name=str(search.name),
        size=search.size,
        rounds=tuple(_round(item, key) for item in search.rounds),
        best=(search.best_round, search.best_slot),
        charts=f"{search.task}-{search.shrinks}",
        points=tuple(charts.points(search)),
        hours=search.device_hours,
        finals=None if search.finals is None else _finals(search, search.finals),
        metrics=None if search.metrics is None else FinalView.of(search.metrics),
        training=None if search.training is None else _training(search.task, search.training),
        tested=_tested(search.predictions),
    )


def _finals(search: Search, finals: Finals) -> FinalsView:
    order = sorted(finals.candidates, key=lambda item: (item.mean is None, -(item.mean or 0.0)))
    score, quality = search.deviation
    return FinalsView(
        rule=finals.rule,
        seeds=len(finals.seeds),
        epochs=finals.epochs,
        recipe=finals.recipe or "proxy",
        deviation=score,
        quality_deviation=quality,
        rows=tuple(
            FinalistView(
                id=f"{item.round}.{item.slot}",
                round=item.round,
                key=item.key,
                network=said(item.network),
                first=item.first_score,
                scores=item.scores,
                mean=item.mean,
                error=item.standard_error,
                quality=_mean(item.qualities),
                macs=item.macs,
                chosen=(item.round, item.slot, item.network) == (search.best_round, search.best_slot, search.changes),
            )
            for item in order
        ),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; None where a value is missing."""
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _round(item: Round, cost: str) -> RoundView:
    # in a strategy that draws new cells instead of removing edges, no edge falls
    fell = item.fell if item.winner and item.winner.removed else ()
    return RoundView(
        number=item.number,
        cell=_cell(item.cell),
        stopped=item.stopped,
        taken=item.taken,
        fell=_edges(fell),
        candidates=tuple(_candidate(candidate, cost) for candidate in item.candidates),
    )


def _candidate(item: EvaluatedCell, cost: str) -> CandidateView:
    identity, found = item.evaluation.identity, item.evaluation.metrics
    # what the page shows by other names; an untrained network's rank is not among it
    known = {spec_of(identity.task).metric.name, "loss", "best_epoch"}
    return CandidateView(
        id=f"{item.round}.{item.slot}",
        cell=_cell(item.cell),
        origin=item.origin,
        removed=_edges(item.removed),
        score=item.score,
        metric=item.metric,
        cost=item.costs[cost],
        costs=item.costs,
        stop=item.early_stop,
        fidelity=_fidelity(item),
        others={name: value for name, value in found.items() if name not in known}
        | {f"predicted gain of {i} -> {j}": gain for (i, j), gain in item.evaluation.edge_gains(item.cell).items()},
        over=item.violation > 0,
        history=_columns(item.evaluation.history),
        best_epoch=found.get("best_epoch"),
        key=item.cell.key,
        evaluation=item.evaluation.key,
        digest=item.digest,
        seed=str(item.evaluation.seed),
        data=identity.data,
        evaluator=identity.evaluator,
        seconds=item.device_seconds,
        reused=item.reused,
    )


def _fidelity(item: EvaluatedCell) -> str | None:
    """Say how a candidate was judged where that was less than a full training."""
    if item.fidelity is None or in_full(item.fidelity):
        return None
    if item.fidelity.zero_cost == COUNTED:
        return "counted, not trained"
    if item.fidelity.zero_cost is not None:
        return f"untrained, ranked by {item.fidelity.zero_cost}"
    return f"a first look of {item.fidelity.epochs} epochs"


def _tested(found: Predictions) -> ImagesView | TextView | None:
    """Return the final model's predictions, and for classes the charts of accuracy by class and of confusions."""
    if isinstance(found, TextPredictions):
        return TextView(samples=found.samples)
    if not isinstance(found, ImagePredictions):
        return None
    names, images = found.classes, found.images
    accuracy = [
        ClassAccuracy(name=name, images=count, accuracy=right / count)
        for name, count, right in zip(names, images, found.correct, strict=True)
        if count
    ]
    wrong = [item for item in found.confusions if item[0] != item[1]]
    most = sorted(wrong, key=lambda item: item[2] / images[item[0]], reverse=True)[:MOST_CONFUSED]
    matrix = None
    if len(names) <= MOST_CLASSES:
        matrix = tuple(
            ConfusionShare(truth=names[truth], predicted=names[answer], images=count, share=count / images[truth])
            for truth, answer, count in found.confusions
        )
    return ImagesView(
        samples=found.samples,
        mistakes=found.mistakes,
        # a thousand bars tell nothing: of many classes the hardest ones
        accuracy=tuple(sorted(accuracy, key=lambda row: row.accuracy)[:MOST_CLASSES]),
        classes=len(accuracy),
        accuracy_chart=charts.class_accuracy(min(len(accuracy), MOST_CLASSES)),
        confused=tuple((names[truth], names[answer], count, images[truth]) for truth, answer, count in most),
        confusion=matrix,
        confusion_chart=None if matrix is None else charts.confusion(names),
    )


def _training(task: Task, training: TrainingHistory) -> TrainingView:
    history = training.epochs
    columns = [
        name for name in ("train_loss", "validation_loss") if any(entry.get(name) is not None for entry in history)
    ]
    title = spec_of(task).title
    quality = METRIC[task].replace(" ", "_")
    known = any(entry.get(quality) is not None for entry in history)
    return TrainingView(
        history=_columns(history),
        chart=charts.curves(columns, 340, f"{title}: loss of the final model's training, by epoch"),
        quality=charts.curves([quality], 340, f"{title}: {quality} of the final model, by epoch") if known else None,
        growths=_growths(training.growths) if training.growths else None,
    )


def _growths(growths: Sequence[GrowthEntry]) -> GrowthsView:
    numbered = list(enumerate(growths, start=1))
    nodes = list(growths[-1].widths)
    return GrowthsView(
        widths=tuple(
            NodeWidth(growth=number, node=node, width=entry.widths[node])
            for number, entry in numbered
            for node in nodes
        ),
        widths_chart=charts.node_widths(nodes, len(growths)),
        gains=tuple(
            gain
            for number, entry in numbered
            for gain in (
                GrowthGain(growth=number, kind="predicted", gain=entry.predicted_gain),
                GrowthGain(growth=number, kind="real", gain=entry.gain),
            )
        ),
        gains_chart=charts.growth_gains(),
        said=" ".join(_said_of(growths)),
    )


def _said_of(growths: Sequence[GrowthEntry]) -> Iterator[str]:
    """Yield what the growths came to, in sentences."""
    new, split, layers = (sum(getattr(entry, kind) for entry in growths) for kind in ("new", "split", "layers"))
    added = _count(new, "new neuron"), f"{_count(split, 'split')} of a neuron", _count(layers, "residual layer")
    yield f"Added: {', '.join(added)}."
    deeper = growths[-1].residual_layers
    if deeper:
        yield "Layers after " + ", ".join(f"{cell}: {' and '.join(names)}" for cell, names in deeper.items()) + "."
    helpful = [entry for entry in growths if entry.gate > 0]
    if len(helpful) < LEAST_RANKED:
        yield f"{len(helpful)} growths are too few to say how well predicted gains rank real ones."
        return
    from scipy import stats  # the import takes a second

    tau = stats.kendalltau([entry.predicted_gain for entry in helpful], [entry.gain for entry in helpful]).statistic
    if math.isfinite(tau):
        yield f"Predicted gains rank the {len(helpful)} growths as real ones do with Kendall's tau {tau:.2f}."


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _columns(history: Sequence[EpochEntry]) -> dict[str, tuple[Value, ...]]:
    """Return a history of per-epoch entries as one list per column: a third of the size. No entries, no columns."""
    if not history:
        return {}
    found = {name: tuple(_short(entry.get(name)) for entry in history) for name in history[0]}
    if "validation_perplexity" in found:  # the training's own is the loss in other words, and not kept
        found["train_perplexity"] = tuple(map(_perplexity, found["train_loss"]))
    return found


def _perplexity(loss: Value) -> Value:
    return None if loss is None or loss > LARGEST_LOSS else _short(math.exp(loss))


def _short(value: Value) -> Value:
    """Round to five significant digits, more than any chart shows."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _cell(cell: Cell) -> CellView:
    return CellView(nodes=tuple(cell.nodes), operators=tuple(cell.operators), edges=_edges(cell.edges))


def _edges(edges: Iterable[Edge]) -> tuple[str, ...]:
    return tuple(f"{source}-{target}" for source, target in edges)


def _cells(search: Search) -> list[Cell]:
    return [search.start, *(item.cell for item in search.candidates)]


@dataclass(frozen=True)
class Table:
    """One table of the page: a task's rows of one origin. ``prose`` says which columns are text to be wrapped."""

    task: str
    origin: str
    measured: bool
    heading: Sequence[str]
    prose: Sequence[bool]
    cells: Sequence[Sequence[str]]


def _tables(table: Sequence[Row]) -> list[Table]:
    found = []
    for task in Task:
        origins = list(dict.fromkeys(row.origin for row in table if row.task == task))
        for origin in origins:
            chosen = [row for row in table if row.task == task and row.origin == origin]
            heading, cells = metrics.grid(task, origin, chosen)
            prose = [name in ("source", "note") for name in heading]
            found.append(Table(spec_of(task).title, origin, origin == MEASURED, heading, prose, cells))
    return found


def _embedded(value: object) -> str:
    """Return JSON that may stand inside a script element: no ``<`` that could end it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c")


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")).replace("</script", "<\\/script")


def _text(name: str) -> str:
    return (resources.files("autoshrink.report") / "templates" / name).read_text(encoding="utf-8")


def name_of(results: Path) -> str:
    """Return what to call a run whose results are here: the folder's name, with its parent's where it says little."""
    path = results.resolve()
    return path.name if path.name != "results" else f"{path.parent.name}/{path.name}"
