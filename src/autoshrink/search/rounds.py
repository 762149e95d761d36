"""A search's rounds as files: the start, a proposal, a finished round, the best cell. Sealed JSON, one kind each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoshrink import artifacts
from autoshrink.cell import Cell
from autoshrink.errors import ArtifactError, UserError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.search import ImageSearch, LanguageSearch
from autoshrink.search.draws import Draws
from autoshrink.search.objective import paper_flops, preference, score
from autoshrink.search.shrink import Shrink
from autoshrink.search.strategy import Candidate, Scored, State, Strategy

ROUND, PROPOSAL, BEST = "round", "proposal", "best"
VERSION = 1


@dataclass(frozen=True)
class SearchName:
    """Which search a file belongs to: its task, its strategy and the name of its seed."""

    task: Task
    strategy: str
    seed: int

    @classmethod
    def parse(cls, task: str, name: str) -> "SearchName":
        """Read ``cnn`` and ``shrink-0``. Raises UserError on anything else."""
        strategy, dash, seed = name.rpartition("-")
        if not dash or not seed.isdigit():
            raise UserError(f"search {name!r}: expected STRATEGY-SEED, such as shrink-0")
        return cls(Task(task), strategy, int(seed))

    def __str__(self) -> str:
        """Return ``shrink-0``, the name of the search's folder."""
        return f"{self.strategy}-{self.seed}"

    @property
    def prefix(self) -> str:
        """The name under which all of the search's random draws are made."""
        return f"{self.task}/{self}"

    def draws(self, root: int) -> Draws:
        """Return this search's draws under the root seed."""
        return Draws(root, self.prefix)

    def to_json(self) -> dict[str, Any]:
        """Return the name as JSON values."""
        return {"task": str(self.task), "search": str(self)}


def searches(parameters: Parameters, task: Task) -> list[SearchName]:
    """Return the names of the searches that the parameters ask for."""
    section = _section(parameters, task)
    return [SearchName(task, section.strategy, seed) for seed in parameters.search.seeds]


def strategy_of(parameters: Parameters, task: Task) -> Strategy:
    """Return the strategy that the parameters name for a task."""
    section = _section(parameters, task)
    return Shrink(section, section.operators)


def plan(parameters: Parameters, task: Task) -> list[list[range]]:
    """Return, for each round 1, 2, ..., the slots of each of its evaluation jobs: the search's static graph."""
    size = parameters.search.slots_per_job
    return [
        [range(first, min(first + size, slots)) for first in range(0, slots, size)]
        for slots in strategy_of(parameters, task).slots()
    ]


def start(parameters: Parameters, name: SearchName, path: Path) -> None:
    """Write round 0: the state that the search starts from."""
    state = strategy_of(parameters, name.task).start(name.draws(parameters.seed))
    _write_round(path, name, 0, state, [], None, None)


def propose(parameters: Parameters, name: SearchName, previous: Path, path: Path) -> int:
    """Write the proposal that follows the round in ``previous``; return how many candidates it has."""
    content = _read_round(previous, name)
    number = content["round"] + 1
    state = State.from_json(content["state"])
    candidates = strategy_of(parameters, name.task).propose(state, number, name.draws(parameters.seed))
    listed = [
        {
            "slot": slot,
            "cell": candidate.cell.to_json(),
            "canonical": candidate.cell.canonical().to_json(),
            "key": candidate.cell.key,
            "origin": candidate.origin,
            "removed": [list(edge) for edge in candidate.removed],
        }
        for slot, candidate in enumerate(candidates)
    ]
    artifacts.write_sealed(path, PROPOSAL, VERSION, {**name.to_json(), "round": number, "candidates": listed})
    return len(listed)


def select(
    parameters: Parameters,
    name: SearchName,
    previous: Path,
    proposal: Path,
    evaluations: Mapping[int, Mapping[str, Any]],
    path: Path,
) -> None:
    """Write the finished round: every candidate with its evaluation, costs and score, and the cell that was kept.

    ``evaluations`` maps each slot to an evaluation's content. Raises ArtifactError when one is missing or of another
    cell.
    """
    before = State.from_json(_read_round(previous, name)["state"])
    proposed = artifacts.read_sealed(proposal, PROPOSAL, VERSION)
    section = _section(parameters, name.task)
    hidden = parameters.proxy.rnn.network.hidden if name.task is Task.RNN else None
    scored, listed = [], []
    for item in proposed["candidates"]:
        evaluation = evaluations.get(item["slot"])
        if evaluation is None:
            raise ArtifactError(
                f"{proposal}: slot {item['slot']} has no evaluation; run the evaluation jobs of this round"
            )
        if evaluation["identity"]["cell"] != item["key"]:
            raise ArtifactError(
                f"{proposal}: the evaluation of slot {item['slot']} is of another cell; remove it and run again"
            )
        cell = Cell.from_json(item["cell"])
        value = score(section.objective, cell, evaluation, hidden)
        scored.append(Scored(Candidate(cell, item["origin"], tuple(map(tuple, item["removed"]))), value))
        costs = dict(evaluation["costs"])
        if hidden is not None:
            costs["paper_flops"] = paper_flops(cell, hidden)
        listed.append(
            {
                **{key: item[key] for key in ("slot", "cell", "key", "origin", "removed")},
                "evaluation": evaluation["key"],
                "metrics": evaluation["metrics"],
                "epochs": len(evaluation["history"]),
                "early_stop": evaluation["stopped"],
                "costs": costs,
                "score": value,
            }
        )
    strategy = strategy_of(parameters, name.task)
    selection = strategy.select(before, proposed["round"], scored, name.draws(parameters.seed))
    _write_round(path, name, proposed["round"], selection.state, listed, selection.slot, before)


def best(name: SearchName, paths: Sequence[Path], path: Path) -> None:
    """Write the answer: of all selected candidates the one with the best score (ties: see ``objective.preference``).

    Raises UserError when no round has a finite score.
    """
    finalists = []
    for file in paths:
        content = _read_round(file, name)
        if content["selected"] is not None:
            item = content["candidates"][content["selected"]]
            finalists.append((preference(item["score"], Cell.from_json(item["cell"])), content["round"], item))
    if not finalists:
        raise UserError(
            f"{name.task}/{name}: no candidate of any round has a finite score; every training diverged: "
            f"lower proxy.{name.task}.training.learning_rate"
        )
    _, number, item = min(finalists, key=lambda finalist: (finalist[0], finalist[1]))
    artifacts.write_sealed(path, BEST, VERSION, {**name.to_json(), "round": number, **item})


def read_best(path: Path) -> tuple[Cell, dict[str, Any]]:
    """Read a best-cell file. Raises ArtifactError."""
    content = artifacts.read_sealed(path, BEST, VERSION)
    return Cell.from_json(content["cell"]), content


def read_round(path: Path) -> dict[str, Any]:
    """Read a finished round. Raises ArtifactError."""
    return artifacts.read_sealed(path, ROUND, VERSION)


def _section(parameters: Parameters, task: Task) -> ImageSearch | LanguageSearch:
    return parameters.search.cnn if task is Task.CNN else parameters.search.rnn


def _read_round(path: Path, name: SearchName) -> dict[str, Any]:
    content = read_round(path)
    found = {key: content[key] for key in ("task", "search")}
    if found != name.to_json():
        raise ArtifactError(f"{path}: belongs to the search {found['task']}/{found['search']}, not {name.task}/{name}")
    return content


def _write_round(
    path: Path,
    name: SearchName,
    number: int,
    state: State,
    candidates: list[dict[str, Any]],
    slot: int | None,
    before: State | None,
) -> None:
    kept = set(state.cell.edges)
    fell = [list(edge) for edge in before.cell.edges if edge not in kept] if before else []
    content = {
        **name.to_json(),
        "round": number,
        "state": state.to_json(),
        "key": state.cell.key,
        "candidates": candidates,
        "selected": slot,
        "fell": fell,
    }
    artifacts.write_sealed(path, ROUND, VERSION, content)
