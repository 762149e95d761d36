"""A made run, with every kind of artifact, in a second: real verbs where they need no torch, made content elsewhere."""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from autoshrink import params
from autoshrink.cli import main
from autoshrink.cli.step import made_by, step
from autoshrink.errors import ArtifactError
from autoshrink.evaluation.store import Identity, Store
from autoshrink.files import artifacts
from autoshrink.lineage import records
from autoshrink.params.base import Task
from autoshrink.records.best import Best
from autoshrink.records.evaluation import EvaluationJob, TrialResult
from autoshrink.records.metrics import FinalMetrics, ProxyFacts
from autoshrink.records.proposal import Proposal
from autoshrink.records.timing import TrialTiming
from autoshrink.search import rounds
from tests.unit.tasks import made_manifests

SETTINGS: dict[str, Any] = {
    "tasks": ["cnn"],
    "datasets": {"digits": {"source": "digits"}},
    "search": {"slots_per_job": 2, "cnn": {"nodes": 3, "k": 3, "keep_fraction": 0.4, "finalists": None}},
    "proxy": {"cnn": {"dataset": "digits"}},
    "training": {"cnn": {"dataset": "digits", "epochs": 15}},
}
SEARCH = Path("results/cnn/shrink-0")
MANIFEST = Path("data/digits/manifest.json")


def run(folder: Path, **changes: Any) -> Path:
    """Make a run in ``folder``, with ``changes`` to the top level of the parameters, and return its results folder."""
    before = Path.cwd()
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    try:
        go({**SETTINGS, **changes})
    finally:
        os.chdir(before)
    return folder / "results"


def verb(*words: object) -> None:
    """Run a verb of the command line in this process."""
    try:
        main([str(word) for word in words])
    except SystemExit as done:
        assert not done.code, f"autoshrink {words} ended with {done.code}"


@cache
def _load(text: str) -> params.Parameters:
    """Return the parameters of a params.yaml with this text, read once."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        return params.load([Path(file.name)])


def due(artifact: Path) -> bool:
    """Return whether a step must run: its record does not vouch for what is there. So a run can be gone on with."""
    try:
        record = records.read(records.path_of(artifact))
    except ArtifactError:
        return True
    return records.digests(record.outputs) != record.outputs


def go(settings: dict[str, Any]) -> None:
    """Do all steps that are due, in the working folder."""
    if not Path("params.yaml").exists():
        Path("params.yaml").write_text(yaml.safe_dump(settings))
    parameters = _load(Path("params.yaml").read_text())
    if not params.frozen_path(parameters, Path("results/params")).exists():
        params.freeze(parameters, Path("results/params"))
    _prepare(parameters)
    name = rounds.SearchName.parse("cnn", "shrink-0")
    files = [SEARCH / "round-00/round.json"]
    if due(files[0]):
        verb("start", "--task", "cnn", "--search", name, "--out", files[0])
    for number, jobs in enumerate(rounds.plan(parameters, Task.CNN), start=1):
        here = SEARCH / f"round-{number:02d}"
        proposal = here / "proposal.json"
        shared = ["--task", "cnn", "--search", name, "--previous", files[-1]]
        if due(proposal):
            verb("propose", *shared, "--out", proposal)
        made = [
            _evaluate(parameters, proposal, slots, here / f"evaluations-{job}.json") for job, slots in enumerate(jobs)
        ]
        if due(here / "round.json"):
            verb("select", *shared, "--proposal", proposal, "--out", here / "round.json", *made)
        files.append(here / "round.json")
    if due(SEARCH / "best.json"):
        verb("best", "--task", "cnn", "--search", name, "--out", SEARCH / "best.json", *files)
    _train(parameters)
    _test(parameters, name)
    _report(parameters)


def _prepare(parameters: params.Parameters) -> None:
    if not due(MANIFEST):
        return
    with step("prepare", MANIFEST, parameters=parameters, dataset="digits", draws=["test-split"]) as doing:
        array = MANIFEST.with_name("train_images.npy")
        artifacts.write_bytes(array, b"made pixels" * 20)
        files = {array.name: artifacts.digest_of_file(array)}
        about: Any = {"name": "digits", "source": "digits", "source_version": "made 1", "files": files}
        made_manifests.images(2, 1, **about).write(MANIFEST)
        doing.outputs += [MANIFEST, array]


def _evaluate(parameters: params.Parameters, proposal: Path, slots: range, out: Path) -> Path:
    """Do what ``autoshrink evaluate`` does, with made results."""
    if not due(out):
        return out
    store = Store(Path("store"), lambda: made_by(parameters, Task.CNN))
    about: Any = {"parameters": parameters, "task": Task.CNN, "store": Path("store"), "draws": ["proxy"]}
    with step("evaluate", out, inputs=[proposal, MANIFEST], **about) as doing:
        proposed = Proposal.read(proposal)
        evaluations, took = {}, {}
        for item in proposed.candidates:
            if item.slot in slots:
                recipe, data = parameters.proxy.cnn, artifacts.digest_of_file(MANIFEST)
                of = Identity(Task.CNN, item.key, recipe, data, parameters.seed, parameters.paper_defects)
                edges = len(item.cell.edges)
                result = TrialResult(
                    metrics={"accuracy": 0.5 + edges / 100, "loss": 1.0, "best_epoch": 0},
                    history=({"epoch": 0, "validation_accuracy": 0.5 + edges / 100},),
                    stopped=None,
                    costs={"parameters": 100 * edges, "macs": 10_000 * (1 + edges)},
                )
                store.put_timing(of, TrialTiming(device_seconds=1.5, device="cpu"))
                evaluations[item.slot] = store.get(of) or store.put(of, result)
                took[str(item.slot)] = {"device_seconds": 1.5, "device": "cpu", "reused": False}
        EvaluationJob.of(proposed.task, proposed.search, proposed.round, evaluations).write(out)
        doing.timing["slots"] = took
    return out


def _train(parameters: params.Parameters) -> None:
    model = SEARCH / "model"
    if not due(model / "model.json"):
        return
    about: Any = {"parameters": parameters, "task": Task.CNN, "draws": ["init"], "computes": True}
    with step("train", model / "model.json", inputs=[SEARCH / "best.json", MANIFEST], **about) as doing:
        weights = model / "model.safetensors"
        artifacts.write_bytes(model / "checkpoints/step-000000010.safetensors", b"made state" * 30)
        sealed = {"step": 10, "identity": {}, "state": {}}
        digest = artifacts.digest_of_file(model / "checkpoints/step-000000010.safetensors")
        checkpoint = {**sealed, "tensors_sha256": digest}
        artifacts.write_sealed(model / "checkpoints/step-000000010.json", "checkpoint", 1, checkpoint)
        artifacts.write_bytes(weights, b"made weights" * 30)
        artifacts.write_sealed(
            model / "history.json",
            "history",
            1,
            {"task": "cnn", "epochs": [{"epoch": 0, "train_loss": 1.0}], "chosen_epoch": 0},
        )
        artifacts.write_sealed(model / "model.json", "model", 1, {"weights": artifacts.digest_of_file(weights)})
        doing.outputs += [model / "model.json", weights, model / "history.json"]


def _test(parameters: params.Parameters, name: rounds.SearchName) -> None:
    if not due(SEARCH / "metrics.json"):
        return
    model = SEARCH / "model"
    inputs = [SEARCH / "round-00/round.json", SEARCH / "best.json", MANIFEST, model / "model.json"]
    about: Any = {"parameters": parameters, "task": Task.CNN, "computes": True, "subject": name.to_json()}
    with step("test", SEARCH / "metrics.json", inputs=[*inputs, model / "model.safetensors"], **about):
        best = Best.read(SEARCH / "best.json")
        FinalMetrics(
            task=name.task,
            search=str(name),
            seed=parameters.seed,
            seed_name=f"{parameters.seed}/{name.task}/{name}",
            dataset="digits",
            round=best.round,
            cell=best.cell,
            key=best.key,
            proxy=ProxyFacts(score=best.score, metrics=best.metrics, costs=best.costs),
            metrics={"accuracy_top1": 0.97, "accuracy_top5": 0.999},
            costs={"parameters": 300, "macs": 30_000},
            complete_costs={"parameters": 900, "macs": 90_000},
        ).write(SEARCH / "metrics.json")


def _report(parameters: params.Parameters) -> None:
    out = Path("results/report")
    if not due(out / "report"):
        return
    inputs = [SEARCH / "best.json", SEARCH / "metrics.json"]
    with step("report", out / "report", inputs=inputs, parameters=parameters) as doing:
        artifacts.write_text(out / "metrics.md", "| top-1 | 0.97 |\n")
        artifacts.write_bytes(out / "cnn/trajectory.png", b"\x89PNG made" * 20)
        doing.outputs += [out / "metrics.md", out / "cnn/trajectory.png"]
