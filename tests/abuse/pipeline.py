"""A small run of the real pipeline in one process: every step by its own verb, real data, real trainings."""

import json
from pathlib import Path
from typing import Any

import yaml

from autoshrink import params
from autoshrink.cli import main
from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.lineage.verify import SET_ASIDE
from autoshrink.params.base import Task
from autoshrink.records.evaluation import Evaluation
from autoshrink.search import rounds
from autoshrink.tasks import address
from tests.unit.lineage.made import due

NETWORK = {"stem_filters": 4, "base_filters": 4, "stage_scales": [1.0, 2.0], "stage_cells": [1, 1]}
SETTINGS: dict[str, Any] = {
    "tasks": ["cnn"],
    "datasets": {"digits": {"source": "digits"}},
    "search": {"slots_per_job": 2, "cnn": {"nodes": 3, "k": 2, "keep_fraction": 0.4, "finalists": None}},
    "proxy": {
        "cnn": {
            "dataset": "digits",
            "train_per_class": 8,
            "validation_per_class": 4,
            "network": {**NETWORK, "stage_pools": [1, 2]},
            "training": {"epochs": 1},
        }
    },
    "training": {"cnn": {"dataset": "digits", "network": {**NETWORK, "stage_pools": [1, 2]}, "epochs": 2}},
    "references": {"cnn": {"networks": []}},
    "compute": {"threads": 1, "device": "cpu"},
    "report": {"known_networks": False},
}
SEARCH = Path("results/cnn/shrink-0")
# the user's own, beside and among what the pipeline writes
NOTES = ("notes.md", "data/photo.jpg", "store/notes.txt", "results/notes.txt", str(SEARCH / "notes.txt"))


def write(folder: Path) -> None:
    """Write the parameters, and a user's files, into the folder."""
    for name in NOTES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("mine")
    (folder / "params.yaml").write_text(yaml.safe_dump(SETTINGS))


def steps() -> list[tuple[Path, list[str]]]:
    """Return the artifact of each step, in order, and the words of the command that makes it."""
    parameters = params.load([Path("params.yaml")])
    data = address.folder(parameters, "digits")
    of = ["--task", "cnn"]
    search = [*of, "--search", "shrink-0"]
    state = SEARCH / "round-00/round.json"
    found: list[tuple[Path, list[str]]] = [
        (data / address.MANIFEST, ["prepare", "digits"]),
        (state, ["start", *search, "--out", str(state)]),
    ]
    states = [state]
    for number, jobs in enumerate(rounds.plan(parameters, Task.CNN), start=1):
        here = SEARCH / f"round-{number:02d}"
        proposal = here / "proposal.json"
        previous = ["--previous", str(states[-1])]
        found.append((proposal, ["propose", *search, *previous, "--out", str(proposal)]))
        made = [here / f"evaluations-{job}.json" for job, _ in enumerate(jobs)]
        for out, slots in zip(made, jobs, strict=True):
            words = ["--proposal", str(proposal), "--slots", f"{slots.start}:{slots.stop}", "--data", str(data)]
            found.append((out, ["evaluate", *of, *words, "--store", "store", "--out", str(out)]))
        states.append(here / "round.json")
        words = [*previous, "--proposal", str(proposal), "--out", str(states[-1]), *map(str, made)]
        found.append((states[-1], ["select", *search, *words]))
    best, model, metrics = SEARCH / "best.json", SEARCH / "model", SEARCH / "metrics.json"
    train = ["train", *of, "--cell", str(best), "--data", str(data), "--out", str(model)]
    test = ["--start", str(states[0]), "--best", str(best), "--data", str(data), "--model", str(model)]
    report = ["report", "--results", "results", "--out", "results/report"]
    return [
        *found,
        (best, ["best", *search, "--out", str(best), *map(str, states)]),
        (model / "model.json", train),
        (metrics, ["test", *search, *test, "--out", str(metrics)]),
        (Path("results/report/report"), report),
    ]


def go_on() -> None:
    """Do all steps that are due, in the working folder; end as the first that fails does."""
    for artifact, words in steps():
        if due(artifact):
            run(words)


def run(words: list[str]) -> None:
    """Run one command; end as it does where it fails."""
    try:
        main(words)
    except SystemExit as ended:
        if ended.code:
            raise


def evaluations() -> dict[str, bytes]:
    """Return the store's finished evaluations: those that read back whole."""
    found = {}
    for path in sorted(Path("store/evaluations").rglob("*.json")):
        if not path.name.endswith((".lineage.json", ".timing.json")):
            try:
                Evaluation.read(path)
            except ArtifactError:
                continue
            found[str(path)] = path.read_bytes()
    return found


def contents() -> dict[str, bytes]:
    """Return every file by name, less what may differ: timings, logs, and what was set aside or left behind."""
    found = {}
    for path in sorted(Path().rglob("*")):
        beside = path.name.endswith((".timing.json", ".tmp")) or SET_ASIDE.search(path.name)
        # the page and these tables show how long things took
        is_report = path.name.startswith(("index.html", "report.", "metrics.md", "search-cost.csv"))
        if not path.is_file() or beside or "logs" in path.parts or is_report:
            continue
        content = path.read_bytes()
        if path.name.endswith(".lineage.json"):
            value = {key: item for key, item in json.loads(content).items() if key not in ("code", "sha256")}
            content = artifacts.canonical_json(value).encode()
        found[str(path)] = content
    return found
