"""Made evaluations, so that searches run without training: a pure function of the cell."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.loading import merge
from autoshrink.records.evaluation import Evaluation, EvaluationIdentity
from autoshrink.records.proposal import Proposal
from autoshrink.records.round import Round
from autoshrink.search import rounds
from autoshrink.search.draws import Draws

BASE: dict[str, Any] = {"datasets": {"mnist5k": {"source": "mnist5k"}, "sotu": {"source": "sotu"}}}
PAPER = {
    "search": {
        "cnn": {"nodes": 8, "k": 10, "keep_fraction": 0.01},
        "rnn": {"nodes": 6, "k": 10, "keep_fraction": 0.25},
        "slots_per_job": 4,
    }
}
DRAWS = Draws(2020, "cnn/shrink-0", "cnn/seed-0")

Evaluate = Callable[[Cell], Evaluation]


def parameters(*overlays: dict[str, Any]) -> Parameters:
    """Return the default parameters with overlays."""
    values = BASE
    for overlay in overlays:
        values = merge(values, overlay)
    return Parameters.model_validate(values)


def evaluation(
    key: str,
    accuracy: float | None = None,
    perplexity: float | None = None,
    macs: float = 1e6,
    epochs: int = 3,
    **costs: float,
) -> Evaluation:
    """Return an evaluation as the engine would give it."""
    is_image = perplexity is None
    return Evaluation(
        key=hashlib.sha256(key.encode()).hexdigest(),
        identity=EvaluationIdentity(
            evaluator=1,
            task=Task.CNN if is_image else Task.RNN,
            cell=key,
            proxy={},
            data="made",
            seed=0,
            defects=(),
        ),
        seed=0,
        metrics={"accuracy": accuracy} if is_image else {"perplexity": perplexity},
        history=tuple({"epoch": epoch} for epoch in range(epochs)),
        stopped=None,
        costs={"macs": macs, "parameters": macs / 10, **costs},
    )


def fraction(text: str) -> float:
    """Return a number in [0, 1) that only ``text`` decides."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def by_key(cell: Cell) -> Evaluation:
    """Return an evaluation whose quality is a hash of the cell and whose cost grows with its edges."""
    return evaluation(
        cell.key, accuracy=0.5 + 0.4 * fraction(cell.key), perplexity=None, macs=1e5 * (1 + len(cell.edges))
    )


def text_by_key(cell: Cell) -> Evaluation:
    """Return the same for a language model."""
    return evaluation(cell.key, perplexity=150 + 50 * fraction(cell.key), macs=1e4 * (1 + len(cell.edges)))


def run(chosen: Parameters, name: rounds.SearchName, folder: Path, evaluate: Evaluate) -> list[Round]:
    """Run a whole search through its files and return its rounds, the start first."""
    previous = folder / "round-00" / "round.json"
    rounds.start(chosen, name, previous)
    contents = [Round.read(previous)]
    for number, _ in enumerate(rounds.plan(chosen, name.task, name.strategy), start=1):
        here = folder / f"round-{number:02d}"
        rounds.propose(chosen, name, previous, here / "proposal.json")
        proposal = Proposal.read(here / "proposal.json")
        evaluations = {item.slot: evaluate(item.canonical) for item in proposal.candidates}
        rounds.select(chosen, name, previous, here / "proposal.json", evaluations, here / "round.json")
        previous = here / "round.json"
        contents.append(Round.read(previous))
    return contents


def paths(folder: Path) -> list[Path]:
    """Return the round files of a search that ``run`` wrote, the start left out."""
    return sorted(folder.glob("round-*/round.json"))[1:]
