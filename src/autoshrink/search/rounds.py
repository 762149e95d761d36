"""The steps of a search on its files: start, propose, select, best, Pareto front.

Sealed JSON, one kind each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError, UserError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.objective import LIMITS, LOWER_LIMITS
from autoshrink.params.search import TaskSearch
from autoshrink.records.best import Best, Front, FrontPoint
from autoshrink.records.evaluation import Evaluation, EvaluationJob
from autoshrink.records.proposal import Proposal, ProposedSlot, in_full
from autoshrink.records.record import SearchRecord
from autoshrink.records.round import Round, ScoredSlot
from autoshrink.search import finalists as final
from autoshrink.search import registry
from autoshrink.search.draws import Draws
from autoshrink.search.front import front
from autoshrink.search.objective import preference, score, violation
from autoshrink.search.space import Alternatives, Space, over
from autoshrink.search.strategy import ProposedCell, Scored, State, Strategy
from autoshrink.tasks.spec import spec_of

SEARCH_NAME = r"[a-z][a-z_-]*-\d+"

Kind = TypeVar("Kind", bound=SearchRecord)


@dataclass(frozen=True)
class SearchName:
    """Which search a file belongs to: its task, its strategy and the name of its seed."""

    task: Task
    strategy: str
    seed: int

    @classmethod
    def parse(cls, task: str, name: str) -> "SearchName":
        """Read ``cnn`` and ``shrink-0``. Raises UserError on anything else."""
        strategy, _, seed = name.rpartition("-")
        if task not in list(Task):
            raise UserError(f"task {task!r}: accepted: {', '.join(Task)}")
        if not strategy or not (seed.isascii() and seed.isdigit()):
            raise UserError(f"search {name!r}: expected STRATEGY-SEED, such as shrink-0")
        return cls(Task(task), strategy, int(seed))

    def __str__(self) -> str:
        """Return ``shrink-0``, the name of the search's folder."""
        return f"{self.strategy}-{self.seed}"

    @property
    def prefixes(self) -> tuple[str, str]:
        """The names under which the search's random draws are made: its own, and that of what strategies draw alike."""
        return f"{self.task}/{self}", f"{self.task}/seed-{self.seed}"

    def draws(self, root: int) -> Draws:
        """Return this search's draws under the root seed."""
        return Draws(root, *self.prefixes)

    def to_json(self) -> dict[str, str]:
        """Return the name as JSON values."""
        return {"task": str(self.task), "search": str(self)}


def searches(parameters: Parameters, task: Task) -> list[SearchName]:
    """Return the names of the searches that the parameters ask for."""
    strategy = section_of(parameters, task).strategy
    return [SearchName(task, strategy, seed) for seed in parameters.search.seeds]


def study_searches(parameters: Parameters, task: Task) -> list[SearchName]:
    """Return the names of the searches that the study compares, strategy by strategy."""
    study = parameters.study
    return [SearchName(task, strategy, seed) for strategy in study.strategies for seed in study.seeds]


def strategy_of(parameters: Parameters, task: Task, name: str) -> Strategy:
    """Return the strategy of this name, for a task's cells. Raises UserError where there is none."""
    options = parameters.search.strategies.get(name)
    if options is None:
        accepted = ", ".join(parameters.search.strategies)
        raise UserError(f"search {name!r}: is not an entry of search.strategies; accepted: {accepted}")
    section = section_of(parameters, task)
    return registry.make(section, section.operators, options, stages=spec_of(task).stages(parameters))


def space_of(parameters: Parameters, name: SearchName, start: Cell) -> Space:
    """Return the space of a search that began with the cell ``start``."""
    section, options = section_of(parameters, name.task), parameters.search.strategies.get(name.strategy)
    found = None if options is None else registry.family(section, section.operators, options)
    return found if isinstance(found, Alternatives) else over(start.operators[1:])


def plan(parameters: Parameters, task: Task, strategy: str | None = None) -> list[list[range]]:
    """Return, for each round 1, 2, ..., the slots of each of its evaluation jobs: the search's static graph.

    ``strategy`` is a name of ``search.strategies``, or None for the task's own.
    """
    name = section_of(parameters, task).strategy if strategy is None else strategy
    per_job = parameters.search.candidates_per_job
    return [
        [range(first, min(first + per_job(slots), slots)) for first in range(0, slots, per_job(slots))]
        for slots in strategy_of(parameters, task, name).slots()
    ]


def finalist_jobs(parameters: Parameters, task: Task) -> list[tuple[int, range]]:
    """Return the repeat and the slots of each job that evaluates a search's finalists; none where none are wanted."""
    settings = section_of(parameters, task).finalists
    return [] if settings is None else final.jobs(settings, parameters.search.candidates_per_job(settings.slots))


def start(parameters: Parameters, name: SearchName, path: Path) -> None:
    """Write round 0: the state that the search starts from."""
    state = strategy_of(parameters, name.task, name.strategy).start(name.draws(parameters.seed))
    _write_round(path, name, 0, state, [], None, None)


def propose(parameters: Parameters, name: SearchName, previous: Path, path: Path) -> int:
    """Write the proposal that follows the round in ``previous``; return how many candidates it has."""
    before = read(Round, previous, name)
    number = before.round + 1
    strategy = strategy_of(parameters, name.task, name.strategy)
    slots = strategy.slots()
    if number > len(slots):
        raise UserError(f"{previous}: is the last round of {name.task}/{name}, which has {len(slots)}")
    candidates = strategy.propose(State.of(before.state), number, name.draws(parameters.seed))
    if len(candidates) > slots[number - 1]:  # a strategy from outside; its surplus would never be evaluated
        raise UserError(
            f"{name.task}/{name} round {number}: the strategy proposes {len(candidates)} candidates but planned at "
            f"most {slots[number - 1]}; mend its slots()"
        )
    listed = tuple(
        ProposedSlot(
            slot=slot,
            cell=candidate.cell,
            canonical=candidate.cell.canonical(),
            key=candidate.cell.key,
            origin=candidate.origin,
            removed=candidate.removed,
            fidelity=candidate.fidelity,
        )
        for slot, candidate in enumerate(candidates)
    )
    Proposal(task=name.task, search=str(name), round=number, candidates=listed).write(path)
    return len(listed)


def select(
    parameters: Parameters,
    name: SearchName,
    previous: Path,
    proposal: Path,
    evaluations: Mapping[int, Evaluation],
    path: Path,
) -> None:
    """Write the finished round: every candidate with its evaluation, costs and score, and the cell that was kept.

    ``evaluations`` are those of the proposal's slots. Raises ArtifactError when one is missing or of another cell.
    """
    last = read(Round, previous, name)
    before = State.of(last.state)
    proposed = read(Proposal, proposal, name)
    if proposed.round != last.round + 1:
        raise ArtifactError(f"{proposal}: proposes round {proposed.round}, but {previous} is round {last.round}")
    section = section_of(parameters, name.task)
    spec = spec_of(name.task)
    proxy = spec.proxy(parameters)
    scored, listed = [], []
    for item in proposed.candidates:
        evaluation = evaluations.get(item.slot)
        if evaluation is None:
            raise ArtifactError(
                f"{proposal}: slot {item.slot} has no evaluation; run the evaluation jobs of this round"
            )
        if (evaluation.identity.task, evaluation.identity.cell) != (name.task, item.key):
            raise ArtifactError(
                f"{proposal}: the evaluation of slot {item.slot} is of another cell; remove it and run again"
            )
        # an untrained network has no accuracy to score, only what ranks it
        untrained = item.fidelity is not None and item.fidelity.zero_cost is not None
        metrics, costs = evaluation.metrics, evaluation.costs
        try:
            value = None if untrained else score(name.task, section.objective, proxy, item.cell, metrics, costs)
            excess = violation(section.objective, costs)
            if section.objective.budget is not None:
                if evaluation.fitted is None:
                    raise KeyError("fitted")
                excess += max(0.0, -float(evaluation.fitted.margin))
        except KeyError as missing:
            raise ArtifactError(
                f"{proposal}: the evaluation of slot {item.slot} lacks {missing}, which search.{name.task}.objective "
                "asks for; remove the round's evaluations-*.json and run again"
            ) from None
        candidate = ProposedCell(item.cell, item.origin, item.removed, item.fidelity)
        scored.append(Scored(candidate, value, excess, metrics, evaluation.edge_gains(item.cell)))
        own = proxy
        if evaluation.fitted is not None:
            own = proxy.model_copy(update={"network": spec.widened(proxy.network, float(evaluation.fitted.width))})
        costs = {**costs, **spec.further_costs(own, item.cell)}
        listed.append(
            ScoredSlot(
                slot=item.slot,
                cell=item.cell,
                key=item.key,
                origin=item.origin,
                removed=item.removed,
                fidelity=item.fidelity,
                evaluation=evaluation.key,
                metrics=metrics,
                epochs=len(evaluation.history) + (item.fidelity.further_epochs if item.fidelity else 0),
                early_stop=evaluation.stopped,
                costs=costs,
                score=value,
                violation=excess,
                fitted=evaluation.fitted,
            )
        )
    strategy = strategy_of(parameters, name.task, name.strategy)
    selection = strategy.select(before, proposed.round, scored, name.draws(parameters.seed))
    _write_round(path, name, proposed.round, selection.state, listed, selection.slot, before)


def finalists(parameters: Parameters, name: SearchName, paths: Sequence[Path], path: Path) -> int:
    """Write the proposal of the finalists, which follows the last round; return how many there are.

    Raises UserError where the parameters ask for none.
    """
    settings = section_of(parameters, name.task).finalists
    if settings is None:
        raise UserError(f"search.{name.task}.finalists = null: there are no finalists; accepted: count and repeats")
    finished = [read(Round, file, name) for file in paths]
    chosen = final.proposed(settings, spec_of(name.task).proxy(parameters), name.task, finished)
    number = max((content.round for content in finished), default=0) + 1
    Proposal(task=name.task, search=str(name), round=number, candidates=chosen).write(path)
    return len(chosen)


def best(
    name: SearchName,
    paths: Sequence[Path],
    path: Path,
    parameters: Parameters | None = None,
    evaluations: Sequence[Path] = (),
) -> None:
    """Write the answer: of all selected candidates the one with the best score (ties: see ``objective.preference``).

    Where the ``parameters`` ask for finalists, their ``evaluations`` decide. Raises UserError when no round selected a
    candidate, and ArtifactError where an evaluation is missing.
    """
    finished = [read(Round, file, name) for file in paths]
    checked = parameters is not None and section_of(parameters, name.task).finalists is not None
    if parameters is not None and checked and final.contenders(finished):
        _best_of_finalists(parameters, name, finished, path, evaluations)
        return
    selected = [
        (preference(item.score, item.cell), content.round, item)
        for content in finished
        if (item := content.answer) is not None and item.score is not None
    ]
    if not selected:
        if any(item.violation > 0 for content in finished for item in content.candidates):
            raise UserError(
                f"{name.task}/{name}: no candidate of any round is within the limits; raise "
                f"search.{name.task}.objective's limits ({', '.join(LIMITS.values())}) or budget, or lower "
                f"{', '.join(LOWER_LIMITS.values())} or keep_fraction"
            )
        raise UserError(
            f"{name.task}/{name}: no candidate of any round has a finite score; every training diverged: "
            f"lower proxy.{name.task}.training.learning_rate"
        )
    _, number, item = min(selected, key=lambda entry: (entry[0], entry[1]))
    Best(task=name.task, search=str(name), round=number, **dict(item)).write(path)


def _best_of_finalists(
    parameters: Parameters, name: SearchName, finished: Sequence[Round], path: Path, evaluations: Sequence[Path]
) -> None:
    by_repeat: dict[int, dict[int, Evaluation]] = {}
    for file in evaluations:
        job = read(EvaluationJob, file, name)
        by_repeat.setdefault(job.repeat or 0, {}).update(job.by_slot)
    section, proxy = section_of(parameters, name.task), spec_of(name.task).proxy(parameters)
    verdict = final.judge(section, proxy, name.task, finished, by_repeat, parameters.seed)
    if verdict is None:
        raise UserError(
            f"{name.task}/{name}: every training of a finalist diverged: lower "
            f"proxy.{name.task}.training.learning_rate, or set search.{name.task}.finalists to null"
        )
    about = {**dict(verdict.item), "score": verdict.score, "metrics": verdict.metrics}
    Best(task=name.task, search=str(name), round=verdict.round, finalists=verdict.finals, **about).write(path)


def write_front(name: SearchName, paths: Sequence[Path], path: Path) -> None:
    """Write the fully trained candidates that no other dominates in quality and costs, whether selected or not."""
    trained = [
        FrontPoint(round=content.round, **dict(item))
        for content in (read(Round, file, name) for file in paths)
        for item in content.candidates
        if in_full(item.fidelity)
    ]
    metric = spec_of(name.task).metric
    undominated = front(trained, metric.name, higher_is_better=metric.higher_is_better)
    Front(task=name.task, search=str(name), metric=metric.name, candidates=tuple(undominated)).write(path)


def read(kind: type[Kind], path: Path, name: SearchName) -> Kind:
    """Read a file of the search ``name``. Raises ArtifactError, also where it belongs to another search."""
    return kind.read(path).belonging_to(name.task, str(name), path)


def section_of(parameters: Parameters, task: Task) -> TaskSearch:
    """Return the search section of a task."""
    return spec_of(task).search(parameters)


def _write_round(
    path: Path,
    name: SearchName,
    number: int,
    state: State,
    candidates: Sequence[ScoredSlot],
    slot: int | None,
    before: State | None,
) -> None:
    # over a hard limit, or judged at less than full fidelity: the search may pass through it, but it is no answer
    answer = slot is not None and candidates[slot].violation == 0 and in_full(candidates[slot].fidelity)
    kept = set(state.cell.wires)
    Round(
        task=name.task,
        search=str(name),
        round=number,
        state=state.record(),
        key=state.cell.key,
        candidates=tuple(candidates),
        taken=slot,
        selected=slot if answer else None,
        fell=tuple(edge for edge in before.cell.wires if edge not in kept) if before else (),
    ).write(path)
