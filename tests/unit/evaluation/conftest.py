"""Small real searches: a few tiny networks on tiny data, through the engine and the search's files."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoshrink.evaluation import engine
from autoshrink.evaluation.store import Store
from autoshrink.params import Parameters
from autoshrink.params.loading import merge
from autoshrink.records.evaluation import read_round
from autoshrink.records.round import Round
from autoshrink.runtime import seeds
from autoshrink.search import rounds

SMOKE = Path(__file__).parents[3] / "workflow" / "presets" / "smoke.yaml"
BASE = {"datasets": {"mnist5k": {"source": "mnist5k"}, "digits": {"source": "digits"}, "sotu": {"source": "sotu"}}}
WORDS = [f"word{number}" for number in range(40)]


class Small:
    """Runs searches of the smoke preset in one process; all share a store."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        text = {"source": "text"}
        for split in ("train", "validation", "test"):
            text[split] = str(folder / f"{split}.txt")
            lines = [" ".join(seeds.sample(1, f"{split}/{line}", WORDS, 8)) for line in range(70)]
            (folder / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        smoke = yaml.safe_load(SMOKE.read_text(encoding="utf-8"))
        own = {"datasets": {"words": text}, "proxy": {"rnn": {"dataset": "words"}}}
        self.values = merge(merge(BASE, smoke), own)
        self.data: dict[str, Path] = {}
        parameters = Parameters.model_validate(self.values)
        for task, package in (("cnn", "vision"), ("rnn", "language")):
            name = getattr(parameters.proxy, task).dataset
            self.data[task] = folder / name
            prepare = importlib.import_module(f"autoshrink.tasks.{package}.data").prepare
            prepare(name, parameters.datasets[name], self.data[task], folder, parameters.seed)

    def search(self, task: str, search: str, folder: Path, overlay: Any = None) -> dict[str, int]:
        """Run a whole search and return how many evaluations it took and how many of them were re-used."""
        parameters = Parameters.model_validate(merge(self.values, overlay or {}))
        name = rounds.SearchName.parse(task, search)
        count = {"evaluations": 0, "reused": 0}
        previous = folder / task / search / "round-00" / "round.json"
        rounds.start(parameters, name, previous)
        for number, jobs in enumerate(rounds.plan(parameters, name.task, name.strategy), start=1):
            here = folder / task / search / f"round-{number:02d}"
            proposal, found = here / "proposal.json", here / "evaluations-0.json"
            rounds.propose(parameters, name, previous, proposal)
            slots, store = range(sum(map(len, jobs))), Store(self.store)
            done = engine.evaluate(
                parameters, name.task, proposal, slots, self.data[task], store, found, lambda event: None
            )
            count["reused"] += done[0]
            count["evaluations"] += done[1]
            rounds.select(parameters, name, previous, proposal, read_round([found]), here / "round.json")
            previous = here / "round.json"
        return count

    def rounds(self, task: str, search: str, folder: Path) -> list[Round]:
        """Return a search's rounds, the start left out."""
        paths = sorted((folder / task / search).glob("round-*/round.json"))[1:]
        return [Round.read(path) for path in paths]


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Return small real searches on prepared data."""
    return Small(tmp_path_factory.mktemp("small"))
