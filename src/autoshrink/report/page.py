"""The explorer: one self-contained HTML file that shows a run's searches."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from autoshrink.cells import drawing
from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.planner.published import PUBLISHED, REPRODUCED
from autoshrink.records.proposal import COUNTED
from autoshrink.report import charts, metrics
from autoshrink.report import verdicts as verdict_panels
from autoshrink.report.charts import COST, METRIC
from autoshrink.report.metrics import MEASURED, Row
from autoshrink.report.plans import Panel
from autoshrink.report.runs import EvaluatedCell, Round, Search
from autoshrink.tasks.spec import spec_of

# No chart can show the perplexity of a greater loss, and no float can hold that of a much greater one.
LARGEST_LOSS = 50.0
# Classes that a confusion matrix can show, and confusions that a table lists.
MOST_CLASSES, MOST_CONFUSED = 40, 12
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
        data=_embedded(data(searches, other, names)),
        tables=_tables(table),
        notes=notes,
        searches=searches,
        plans=plans,
        verdicts=verdicts,
        published=PUBLISHED,
        reproduced=REPRODUCED,
    )


def data(searches: Sequence[Search], other: Sequence[Search], names: tuple[str, str]) -> dict[str, Any]:
    """Return all that the page's code knows, as JSON values."""
    both = [*searches, *other]
    operators = {operator for search in both for cell in _cells(search) for operator in cell.operators}
    tasks = [task for task in Task if any(search.task == task for search in searches)]
    return {
        "names": list(names[: 2 if other else 1]),
        "drawing": drawing.description((search.size for search in both), operators),
        "tasks": {
            task.value: {
                "title": spec_of(task).title,
                "metric": METRIC[task],
                "cost": COST[task][1],
                "perplexity": spec_of(task).metric.is_perplexity,
                "reported": _reported(task),
                "comparison": charts.comparison(task),
            }
            for task in tasks
        },
        "charts": {
            f"{task}-{shrinks}": charts.of_search(task, shrinks)
            for task, shrinks in sorted({(search.task, search.shrinks) for search in searches})
        },
        "searches": [_search(search) for search in searches],
        "other": [_search(search) for search in other],
    }


def _reported(task: Task) -> list[dict[str, Any]]:
    """Return what the final test measures, the metric that networks are judged by first."""
    spec = spec_of(task)
    return [
        {"key": item.key, "title": item.title, "heading": item.heading, "perplexity": item.is_perplexity}
        for item in sorted(spec.reported, key=lambda item: item.key != spec.metric.test)
    ]


def _search(search: Search) -> dict[str, Any]:
    key = COST[search.task][0]
    found: dict[str, Any] = {
        "task": search.task.value,
        "name": str(search.name),
        "size": search.size,
        "rounds": [_round(item, key) for item in search.rounds],
        "best": [search.best_round, search.best_slot],
        "charts": f"{search.task}-{search.shrinks}",
        "points": charts.points(search),
        "hours": search.device_hours,
        "finals": _finals(search),
        "metrics": None,
        "training": None,
        "tested": _tested(search.details or {}),
    }
    if search.metrics is not None:
        found["metrics"] = search.metrics.model_dump(include={"metrics", "costs", "complete_costs", "seed_name"})
    if search.training is not None:
        found["training"] = _training(search)
    return found


def _finals(search: Search) -> dict[str, Any] | None:
    """Return the finalists, the best mean first, and the noise that they measured."""
    finals = search.finals
    if finals is None:
        return None
    order = sorted(finals.candidates, key=lambda item: (item.mean is None, -(item.mean or 0.0)))
    rows = [
        {
            "id": f"{item.round}.{item.slot}",
            "round": item.round,
            "key": item.key,
            "first": item.first_score,
            "scores": list(item.scores),
            "mean": item.mean,
            "error": item.standard_error,
            "quality": None if None in item.qualities else sum(map(float, item.qualities)) / len(item.qualities),  # type: ignore[arg-type]
            "macs": item.macs,
            "chosen": (item.round, item.slot) == (search.best_round, search.best_slot),
        }
        for item in order
    ]
    score, quality = search.deviation
    return {
        "rule": finals.rule,
        "seeds": len(finals.seeds),
        "epochs": finals.epochs,
        "deviation": score,
        "qualityDeviation": quality,
        "rows": rows,
    }


def _round(item: Round, cost: str) -> dict[str, Any]:
    # a strategy that draws cells anew, instead of removing edges, lets none fall
    fell = item.fell if item.winner and item.winner.removed else ()
    return {
        "number": item.number,
        "cell": _cell(item.cell),
        "stopped": item.stopped,
        "taken": item.taken,
        "fell": [f"{source}-{target}" for source, target in fell],
        "candidates": [_candidate(candidate, cost) for candidate in item.candidates],
    }


def _candidate(item: EvaluatedCell, cost: str) -> dict[str, Any]:
    identity, metrics_of = item.evaluation.identity, item.evaluation.metrics
    # what the page shows by other names; an untrained network's rank is not among it
    known = {spec_of(identity.task).metric.name, "loss", "best_epoch"}
    return {
        "id": f"{item.round}.{item.slot}",
        "cell": _cell(item.cell),
        "origin": item.origin,
        "removed": [f"{source}-{target}" for source, target in item.removed],
        "score": item.score,
        "metric": item.metric,
        "cost": item.costs[cost],
        "costs": dict(item.costs),
        "stop": item.early_stop,
        "fidelity": _fidelity(item),
        "others": {name: value for name, value in metrics_of.items() if name not in known},
        "over": item.violation > 0,
        "history": _columns(item.evaluation.history),
        "bestEpoch": metrics_of.get("best_epoch"),
        "key": item.cell.key,
        "evaluation": item.evaluation.key,
        "digest": item.digest,
        "seed": str(item.evaluation.seed),  # 63 bits, more than a JavaScript number holds
        "data": identity.data,
        "evaluator": identity.evaluator,
        "seconds": item.device_seconds,
        "reused": item.reused,
    }


def _fidelity(item: EvaluatedCell) -> str | None:
    """Say how a candidate was judged where that was less than a full training."""
    if item.fidelity is None:
        return None
    if item.fidelity.zero_cost == COUNTED:
        return "counted, not trained"
    if item.fidelity.zero_cost is not None:
        return f"untrained, ranked by {item.fidelity.zero_cost}"
    return f"a first look of {item.fidelity.epochs} epochs"


def _tested(details: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the final model's predictions, and for classes the charts of accuracy by class and of confusions."""
    if details.get("kind") != "images":
        return dict(details) or None
    names, images = details["classes"], details["images"]
    accuracy = [
        {"class": name, "images": count, "accuracy": right / count}
        for name, count, right in zip(names, images, details["correct"], strict=True)
        if count
    ]
    wrong = [item for item in details["confusions"] if item[0] != item[1]]
    most = sorted(wrong, key=lambda item: item[2] / images[item[0]], reverse=True)[:MOST_CONFUSED]
    found: dict[str, Any] = {
        "kind": "images",
        "samples": details["samples"],
        "mistakes": details["mistakes"],
        # a thousand bars tell nothing: of many classes the hardest ones
        "accuracy": sorted(accuracy, key=lambda row: row["accuracy"])[:MOST_CLASSES],
        "classes": len(accuracy),
        "accuracy_chart": charts.class_accuracy(min(len(accuracy), MOST_CLASSES)),
        "confused": [[names[truth], names[answer], count, images[truth]] for truth, answer, count in most],
        "confusion": None,
    }
    if len(names) <= MOST_CLASSES:
        found["confusion"] = [
            {"truth": names[truth], "predicted": names[answer], "images": count, "share": count / images[truth]}
            for truth, answer, count in details["confusions"]
        ]
        found["confusion_chart"] = charts.confusion(names)
    return found


def _training(search: Search) -> dict[str, Any]:
    assert search.training is not None
    history = search.training.epochs
    columns = [
        name for name in ("train_loss", "validation_loss") if any(entry.get(name) is not None for entry in history)
    ]
    title = spec_of(search.task).title
    quality = METRIC[search.task].replace(" ", "_")
    known = any(entry.get(quality) is not None for entry in history)
    return {
        "history": _columns(history),
        "chart": charts.curves(columns, 340, f"{title}: loss of the final model's training, by epoch"),
        "quality": charts.curves([quality], 340, f"{title}: {quality} of the final model, by epoch") if known else None,
    }


def _columns(history: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return a history of per-epoch entries as one list per column: a third of the size. No entries, no columns."""
    if not history:
        return {}
    names = [name for name, value in history[0].items() if value is None or isinstance(value, int | float)]
    found = {name: [_short(entry.get(name)) for entry in history] for name in names}
    if "validation_perplexity" in found:  # the training's own is the loss in other words, and not kept
        found["train_perplexity"] = [
            None if loss is None or loss > LARGEST_LOSS else _short(math.exp(loss)) for loss in found["train_loss"]
        ]
    return found


def _short(value: Any) -> Any:
    """Round to five significant digits, more than any chart shows."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "nodes": list(cell.nodes),
        "operators": list(cell.operators),
        "edges": [f"{source}-{target}" for source, target in cell.edges],
    }


def _cells(search: Search) -> list[Cell]:
    return [search.start, *(item.cell for item in search.candidates)]


def _tables(table: Sequence[Row]) -> list[dict[str, Any]]:
    found = []
    for task in Task:
        origins = list(dict.fromkeys(row.origin for row in table if row.task == task))
        for origin in origins:
            chosen = [row for row in table if row.task == task and row.origin == origin]
            heading, cells = metrics.grid(task, origin, chosen)
            measured = origin == MEASURED
            prose = [name in ("source", "note") for name in heading]
            title = {"task": spec_of(task).title, "origin": origin, "measured": measured}
            found.append({**title, "heading": heading, "prose": prose, "cells": cells})
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
