"""Replay searches on a table, in memory: real strategies, scores and limits, with evaluations looked up."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from autoshrink.errors import UserError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.objective import DEVICE, LIMITS, LOWER_LIMITS
from autoshrink.records.proposal import in_full
from autoshrink.search import registry
from autoshrink.search.objective import preference, score, violation
from autoshrink.search.rounds import SearchName
from autoshrink.search.strategy import Scored
from autoshrink.study import tables
from autoshrink.study.entries import TableEntry
from autoshrink.study.tables import Table
from autoshrink.study.traces import Event, Trace, trace
from autoshrink.tasks.spec import spec_of

TABLE_BITS = 8
"""Bits per number in a table's memory and flash."""
# seeds that a worker takes at once: enough to make sending them cheap
_CHUNK = 25


def search(parameters: Parameters, name: SearchName, table: Table) -> Trace:
    """Run a CNN search on the table and return its trace.

    Exactly the search that the same parameters and name would run by training, if training gave what the table says.
    """
    section, proxy = parameters.search.cnn, parameters.proxy.cnn
    options, stages = parameters.search.strategies[name.strategy], spec_of(name.task).stages(parameters)
    strategy = registry.make(section, table.operators, options, table.space, stages)
    draws = name.draws(parameters.seed)
    state = strategy.start(draws)
    events: list[Event] = []
    missing = 0
    answer: tuple[tuple[Any, ...], TableEntry] | None = None
    for number, _ in enumerate(strategy.slots(), start=1):
        proposed = strategy.propose(state, number, draws)
        scored = []
        for candidate in proposed:
            found = table.look_up(candidate.cell, candidate.fidelity)
            untrained = candidate.fidelity is not None and candidate.fidelity.zero_cost is not None
            value = (
                None
                if untrained
                else score(name.task, section.objective, proxy, candidate.cell, found.metrics, found.costs)
            )
            excess = violation(section.objective, found.costs)
            scored.append(Scored(candidate, value, excess, found.metrics, found.edge_gains))
            events.append(Event(found.epochs, value, in_full(candidate.fidelity), excess == 0))
            missing += found.missing
            if in_full(candidate.fidelity) and value is not None and excess == 0:
                entry = (preference(value, candidate.cell), found)
                answer = entry if answer is None or entry[0] < answer[0] else answer
        state = strategy.select(state, number, scored, draws).state
    if answer is None:
        return replace(trace(name, events, None), missing=missing)
    chosen = answer[1]
    return replace(trace(name, events, chosen.metrics.get("test")), missing=missing, costs=chosen.costs)


def study(
    parameters: Parameters,
    source: str,
    strategies: Sequence[str],
    seeds: Sequence[int],
    workers: int,
    tell: Callable[[str], object] = lambda _: None,
    own: bool = False,
    advance: Callable[[int], object] = lambda _: None,
) -> list[Trace]:
    """Run every strategy with every seed on the table ``source``, in ``workers`` processes; order is strategy, then
    seed.

    ``tell`` is called with what the table holds, before the searches, and with how many proposals of each strategy it
    lacks, after them; ``advance`` with how many more searches are done. ``own`` searches the table's own space. Raises
    UserError when the table lacks what the searches need: a cost that has a hard limit, or every cell that some
    strategy proposes.
    """
    if parameters.search.cnn.objective.budget is not None:
        raise UserError(
            "search.cnn.objective.budget: a table's networks have the widths they were trained at; accepted with "
            "--table: null"
        )
    parts = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    jobs = [(strategy, part) for strategy in strategies for part in parts]
    if workers == 1:
        _prepare(parameters, source, own)
        coverage = _said()
        tell(coverage)
        return _complete(_counted(map(_part, jobs), advance), coverage, tell)
    with ProcessPoolExecutor(workers, initializer=_prepare, initargs=(parameters, source, own)) as pool:
        coverage = pool.submit(_said).result()
        tell(coverage)
        return _complete(_counted(pool.map(_part, jobs), advance), coverage, tell)


def _counted(parts: Iterable[list[Trace]], advance: Callable[[int], object]) -> list[Trace]:
    found = []
    for part in parts:
        found += part
        advance(len(part))
    return found


def _complete(traces: list[Trace], coverage: str, tell: Callable[[str], object]) -> list[Trace]:
    """Return the traces. Raises UserError where no cell that a strategy proposed is in the table."""
    for strategy in dict.fromkeys(found.strategy for found in traces):
        of = [found for found in traces if found.strategy == strategy]
        proposals, missing = sum(len(found.spent) for found in of), sum(found.missing for found in of)
        if missing == proposals:
            raise UserError(
                f"cnn/{strategy}: no cell that its searches proposed is in the table ({coverage}); set "
                "search.cnn.nodes to a size that it has"
            )
        if missing:
            tell(f"cnn/{strategy}: {missing:,} of its {proposals:,} proposals are not in the table, and never win")
    return traces


@dataclass
class _Worker:
    """What a worker process works with, set once: a table can be large."""

    parameters: Parameters | None = None
    table: Table | None = None
    error: UserError | None = None
    """Why there is no table."""

    @property
    def ready(self) -> tuple[Parameters, Table]:
        """Parameters and table. Raises UserError, once, where the table could not be read."""
        error, self.error = self.error, None
        if error is not None:
            raise error
        assert self.parameters is not None and self.table is not None, "_prepare comes first"
        return self.parameters, self.table


_worker = _Worker()


def _prepare(parameters: Parameters, source: str, own: bool) -> None:
    try:
        table = tables.load(source, parameters.search.cnn.operators, own)
        _check_limits(parameters, table)
        _worker.parameters, _worker.table = parameters, table
    except UserError as error:  # an error here would break the pool without a word
        _worker.error = error


def _check_limits(parameters: Parameters, table: Table) -> None:
    """Raise UserError where a cost is limited that the table does not have."""
    objective, keys = parameters.search.cnn.objective, {**LIMITS, **LOWER_LIMITS}
    for name in (*objective.limits, *objective.lower_limits):
        key = f"search.cnn.objective.{keys[name]}"
        if name not in table.costs:
            column = f", or a .csv file with the column {name}" if name in DEVICE else ""
            raise UserError(
                f"{key}: the table {table.name} has no {name} of its networks, but {', '.join(sorted(table.costs))}; "
                f"accepted: null{column}"
            )
        if name in DEVICE and objective.device_bits != TABLE_BITS:
            raise UserError(
                f"search.cnn.objective.device_bits = {objective.device_bits}: a table's {name} is counted at "
                f"{TABLE_BITS} bits; accepted: {TABLE_BITS}"
            )


def _said() -> str:
    return _worker.ready[1].coverage


def _part(job: tuple[str, Sequence[int]]) -> list[Trace]:
    strategy, seeds = job
    parameters, table = _worker.ready
    return [search(parameters, SearchName(Task.CNN, strategy, seed), table) for seed in seeds]
