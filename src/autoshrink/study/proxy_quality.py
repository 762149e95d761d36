"""Proxy quality: random cells of the search space, evaluated on the proxy and by full training.

The final quality is that of held-out training data, so that no test split is opened. Proxy evaluations and final
trainings are kept in the store: the same call goes on from where it was interrupted.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError, DataError, DivergedError, UserError
from autoshrink.evaluation import engine
from autoshrink.evaluation.store import Store
from autoshrink.files import artifacts, markdown
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.evaluation import Evaluation, EvaluationJob, Fitted
from autoshrink.records.history import TrainingHistory
from autoshrink.records.proposal import Proposal, ProposedSlot
from autoshrink.records.proxy_quality import Agreement, Correlation, FinalQuality, JudgedCell, ProxyQuality
from autoshrink.runtime import numerics, seeds
from autoshrink.search import finalists, registry
from autoshrink.search.draws import Draws
from autoshrink.search.objective import score
from autoshrink.tasks import address, availability, code
from autoshrink.tasks.spec import spec_of
from autoshrink.training.events import EpochEnded, TrainingEvent

LEAST = 10
"""Cells: of fewer a rank correlation says next to nothing, and a bootstrap sample may hold one cell alone."""
RESAMPLES = 5000
Tell = Callable[[str], object]


def cells(parameters: Parameters, task: Task, count: int) -> list[Cell]:
    """Return ``count`` random cells of the task's search space, each with operators of its own draw, no two alike.

    Raises UserError where the space has not so many.
    """
    spec = spec_of(task)
    section = spec.search(parameters)
    options, stages = parameters.search.strategies[section.strategy], spec.stages(parameters)
    searched = registry.family(section, section.operators, options, stages)
    found: dict[str, Cell] = {}
    for number in range(20 * count):
        prefix = f"{task}/proxy-quality/cell-{number}"
        draws = Draws(parameters.seed, prefix, prefix)
        cell = searched.drawn(draws).random(draws, "cell", found)
        found.setdefault(cell.key, cell)
        if len(found) == count:
            return list(found.values())
    raise UserError(
        f"--cells {count}: search.{task}.nodes = {section.nodes} has hardly more than {len(found)} different cells; "
        "accepted: fewer, or more nodes"
    )


def measure(
    parameters: Parameters, task: Task, count: int, repeats: int, confidence: float, store: Store, tell: Tell
) -> ProxyQuality:
    """Return how well the proxy of the parameters ranks ``count`` random cells.

    ``repeats`` is how often each is evaluated on the proxy under seeds of their own, beside the run's own. Data must be
    prepared. Raises UserError where the full recipe holds nothing out, or too few cells have a finite quality.
    """
    spec = spec_of(task)
    recipe, training = spec.proxy(parameters), spec.training(parameters)
    if not spec.holds_out(training):
        raise DataError(
            f"training.{task}: holds no training data out, and the test split stays closed; accepted: a recipe with "
            "validation data, such as validation_per_class of 1 or more"
        )
    chosen = cells(parameters, task, count)
    judged = _judged(parameters, task, chosen, repeats, store, tell)
    place = store.folder.parent / "trainings"
    finals = [
        _final(parameters, task, cell, evaluations[0].fitted, place, f"training {number} of {count}", tell)
        for number, (cell, evaluations) in enumerate(zip(chosen, judged, strict=True), 1)
    ]
    metric, objective = spec.metric.name, spec.search(parameters).objective
    found = [
        JudgedCell(
            key=cell.key,
            edges=len(cell.wires),
            qualities=tuple(each.metrics.get(metric) for each in evaluations),
            score=score(task, objective, recipe, cell, evaluations[0].metrics, evaluations[0].costs),
            final=final,
            costs=evaluations[0].costs,
        )
        for cell, evaluations, final in zip(chosen, judged, finals, strict=True)
    ]
    return ProxyQuality(
        task=task,
        metric=metric,
        seed=parameters.seed,
        proxy=recipe.model_dump(mode="json"),
        training=training.model_dump(mode="json"),
        confidence=confidence,
        deviation=finalists.pooled([item.qualities for item in found]),
        agreements=tuple(agreements(found, spec.metric.higher_is_better, confidence, parameters.seed)),
        cells=tuple(found),
    )


def agreements(found: Sequence[JudgedCell], higher_is_better: bool, confidence: float, seed: int) -> list[Agreement]:
    """Return how rankings of the cells by the proxy agree with the final quality.

    Rankings: by one evaluation, by the mean of all (where there are several), and by the score that a search sees.
    Raises UserError where fewer than ``LEAST`` cells have all their numbers.
    """
    sign = 1.0 if higher_is_better else -1.0
    rows: list[tuple[float, float, float, float]] = []  # one quality, the mean of all, score, final
    for item in found:
        known = [value for value in item.qualities if value is not None]
        if len(known) == len(item.qualities) and item.score is not None and item.final is not None:
            rows.append((sign * known[0], sign * math.fsum(known) / len(known), item.score, sign * item.final))
    if len(rows) < LEAST:
        raise UserError(
            f"only {len(rows)} of {len(found)} cells have finite proxy and final qualities; accepted: {LEAST} or more; "
            "lower the learning rates, or ask for more --cells"
        )
    several = len(found[0].qualities)
    names = ["one evaluation", f"the mean of {several} evaluations", "the score that a search sees"]
    columns = list(zip(*rows, strict=True))
    wanted = [(name, columns[place]) for place, name in enumerate(names) if place != 1 or several > 1]
    return [Agreement(name=name, **_correlations(values, columns[3], confidence, seed)) for name, values in wanted]


def to_markdown(result: ProxyQuality) -> str:
    """Return the agreements and the cells as Markdown tables."""
    percent = f"{100 * result.confidence:g} %"
    ranks = [
        [
            item.name,
            *(f"{each.value:.2f} ({each.low:.2f} to {each.high:.2f})" for each in (item.kendall, item.spearman)),
        ]
        for item in result.agreements
    ]
    heading = ["ranking by the proxy", f"Kendall's tau ({percent} interval)", f"Spearman's rho ({percent} interval)"]
    rows = [
        [
            item.key,
            str(item.edges),
            ", ".join("none" if value is None else f"{value:.4g}" for value in item.qualities),
            "none" if item.score is None else f"{item.score:.4f}",
            "none" if item.final is None else f"{item.final:.4g}",
        ]
        for item in result.cells
    ]
    noise = "unknown (one evaluation each)" if result.deviation is None else f"{result.deviation:.3g}"
    return "\n\n".join(
        [
            f"# The {result.task} proxy against the full training, {len(result.cells)} random cells",
            markdown.table(heading, ranks),
            f"Standard deviation of a cell's proxy {result.metric} over seeds, pooled: {noise}.",
            markdown.table(["cell", "edges", f"proxy {result.metric}", "score", f"final {result.metric}"], rows) + "\n",
        ]
    )


def _correlations(
    first: Sequence[float], second: Sequence[float], confidence: float, seed: int
) -> dict[str, Correlation]:
    import numpy as np
    from scipy import stats

    found = {}
    for name, correlate in (("kendall", stats.kendalltau), ("spearman", stats.spearmanr)):

        def statistic(one: Any, other: Any, correlate: Any = correlate) -> float:
            return float(correlate(one, other).statistic)

        value = statistic(first, second)
        if not math.isfinite(value):
            raise UserError("all cells have the same quality, so that there are no ranks to compare")
        drawn = stats.bootstrap(
            (np.asarray(first), np.asarray(second)),
            statistic,
            n_resamples=RESAMPLES,
            paired=True,
            vectorized=False,
            confidence_level=confidence,
            method="percentile",
            rng=seeds.numpy_generator(seed, f"proxy-quality/{name}"),
        ).confidence_interval
        found[name] = Correlation(value=value, low=float(drawn.low), high=float(drawn.high))
    return found


def _judged(
    parameters: Parameters, task: Task, chosen: Sequence[Cell], repeats: int, store: Store, tell: Tell
) -> list[list[Evaluation]]:
    """Return each cell's evaluations: the run's own, then those of the repeats."""
    place = store.folder.parent / "proxy-quality" / str(task)
    slots = tuple(
        ProposedSlot(
            slot=slot,
            cell=cell,
            canonical=cell.canonical(),
            key=cell.key,
            origin="at random",
            removed=(),
            fidelity=None,
        )
        for slot, cell in enumerate(chosen)
    )
    Proposal(task=task, search="proxy-quality-0", round=0, candidates=slots).write(place / "proposal.json")
    spec = spec_of(task)
    data = address.folder(parameters, spec.proxy(parameters).dataset)
    final_data = address.folder(parameters, spec.training(parameters).dataset)
    found: list[list[Evaluation]] = [[] for _ in chosen]
    for repeat in range(repeats + 1):

        def told(event: engine.Event, repeat: int = repeat) -> None:
            if event.done:
                tell(f"seed {repeat} of {repeats}, cell {event.slot + 1}: {'re-used' if event.reused else 'evaluated'}")

        out = place / f"evaluations-{repeat}.json"
        which = range(len(chosen))
        again = repeat or None
        engine.evaluate(parameters, task, place / "proposal.json", which, data, store, out, told, again, final_data)
        for slot, evaluation in EvaluationJob.read(out).by_slot.items():
            found[slot].append(evaluation)
    return found


def _final(
    parameters: Parameters, task: Task, cell: Cell, fitted: Fitted | None, folder: Path, label: str, tell: Tell
) -> float | None:
    """Return a cell's quality after the full training, out of the store where that has it; ``fitted`` is its network
    where there is a budget."""
    spec = spec_of(task)
    recipe = spec.training(parameters)
    if fitted is not None:
        recipe = spec.fitted(recipe, fitted.network)
    data = address.folder(parameters, recipe.dataset)
    files = availability.side_inputs(parameters, "training", task)
    identity = {
        "task": str(task),
        "cell": cell.key,
        "training": recipe.model_dump(mode="json", exclude={"dataset"}),
        "data": [artifacts.digest_of_file(path) for path in (data / address.MANIFEST, *files)],
        "seed": parameters.seed,
        "numerics": numerics.effective(parameters.compute.numerics),
        "code": code.digest(task, "train"),
    }
    key = artifacts.digest_of(identity)
    here = folder / key[:2] / key
    kept = here / "quality.json"
    if kept.exists():
        try:
            found = FinalQuality.read(kept)
            tell(f"{label}: re-used")
            return found.quality
        except ArtifactError:
            artifacts.set_aside(kept, "damaged")

    def progress(event: TrainingEvent) -> None:
        if isinstance(event, EpochEnded):
            tell(f"{label}: epoch {event.epoch + 1} of {recipe.epochs}")

    try:
        spec.train(cell.canonical(), recipe, spec.load(data), here, parameters.seed, parameters.compute, progress)
    except DivergedError:
        FinalQuality(key=key, identity=identity, quality=None, epochs=0).write(kept)
        return None
    history = TrainingHistory.read(here / "history.json")
    assert history.chosen_epoch is not None
    value = history.epochs[history.chosen_epoch].get(f"validation_{spec.metric.name}")
    assert value is None or not isinstance(value, bool)
    FinalQuality(key=key, identity=identity, quality=value, epochs=len(history.epochs)).write(kept)
    return value
