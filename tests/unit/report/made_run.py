"""A made run: real rounds, chosen by the real search, around evaluations and metrics that are made up."""

import math
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.best import Best
from autoshrink.records.evaluation import Evaluation, EvaluationIdentity, EvaluationJob
from autoshrink.records.history import TrainingHistory
from autoshrink.records.known_networks import CountedNetwork, KnownNetworks
from autoshrink.records.metrics import FinalMetrics, ProxyFacts, TestDetails
from autoshrink.records.predictions import ExpectedWord, ImagePredictions, ImageSample, TextPredictions, TextSample
from autoshrink.records.proposal import Proposal
from autoshrink.records.record import Metrics
from autoshrink.records.timing import SlotTiming, StepTiming
from autoshrink.runtime import seeds
from autoshrink.search import finalists, rounds
from autoshrink.search.rounds import SearchName


def parameters(**search: Any) -> Parameters:
    """Return parameters with ``search``'s keys changed."""
    return Parameters.model_validate_json(
        artifacts.canonical_json(
            {"datasets": {"mnist5k": {"source": "mnist5k"}, "sotu": {"source": "sotu"}}, "search": search}
        )
    )


PAPER = {
    "seeds": [0],
    "cnn": {"nodes": 8, "k": 10, "keep_fraction": 0.01},
    "rnn": {"nodes": 6, "k": 10, "keep_fraction": 0.25},
}


def evaluation(task: Task, key: str, cell: Cell, seed: int) -> Evaluation:
    """Return a made evaluation: more edges cost more and are a little better, more nodes too, with noise by name."""
    noise = seeds.derive(seed, key) / 2**63 - 0.5
    size = len(cell.edges)
    epochs = 4 + seeds.derive(seed, f"{key}/epochs") % 5
    history: list[dict[str, Any]] = []
    for epoch in range(epochs):
        rise = 1 - math.exp(-(epoch + 1) / 1.7)
        if task is Task.CNN:
            top = 0.71 + 0.027 * len(cell.nodes) - 0.35 / (1 + size) + 0.03 * noise
            history.append(
                {
                    "epoch": epoch,
                    "train_loss": round(2.3 * (1 - rise) + 0.1, 4),
                    "train_accuracy": round(min(1.0, top * rise + 0.03), 4),
                    "validation_loss": round(2.3 * (1 - rise) + 0.25, 4),
                    "validation_accuracy": round(top * rise, 4),
                }
            )
        else:
            floor = 180 - 5 * len(cell.nodes) + 60 / (1 + size) + 8 * noise
            history.append(
                {
                    "epoch": epoch,
                    "train_loss": round(math.log(floor) + 1.2 * (1 - rise), 4),
                    "validation_loss": round(math.log(floor) + 1.4 * (1 - rise), 4),
                    "validation_perplexity": round(floor * math.exp(1.4 * (1 - rise)), 3),
                }
            )
    diverged = task is Task.RNN and seeds.derive(seed, f"{key}/diverged") % 17 == 0
    name = "accuracy" if task is Task.CNN else "perplexity"
    chosen = max if task is Task.CNN else min
    value = None if diverged else chosen(item[f"validation_{name}"] for item in history)
    identity = EvaluationIdentity(task=task, cell=key, seed=seed, data="d" * 64, evaluator=1, proxy={}, defects=())
    return Evaluation(
        key=artifacts.digest_of(identity.to_json()),
        identity=identity,
        seed=seeds.derive(seed, f"evaluation/{task}/{key}"),
        metrics={
            name: value,
            "loss": None if diverged else history[-1]["validation_loss"],
            "best_epoch": epochs - 1,
        },
        history=tuple(history[:1] if diverged else history),
        stopped="diverged" if diverged else None if epochs > 5 else "5 epochs without a new best",
        costs={"parameters": 2500 + 900 * size, "macs": 420_000 + 190_000 * size + 30_000 * len(cell.nodes)},
    )


def run(results: Path, chosen: Parameters) -> None:
    """Write a whole made run into ``results``."""
    for task in chosen.tasks:
        for name in rounds.searches(chosen, task):
            _search(results / task / str(name), chosen, name)
    row = CountedNetwork(
        task=Task.CNN,
        name="A known network",
        source="counted",
        dataset="ImageNet",
        quality={},
        parameters=3_470_760,
        macs=300_774_272,
        parameters_with_batch_norm=3_504_872,
        macs_with_batch_norm=307_484_672,
    )
    KnownNetworks(rows=(row,)).write(results / "report" / "known-networks.json")


def _search(folder: Path, chosen: Parameters, name: SearchName) -> None:
    previous = folder / "round-00" / "round.json"
    rounds.start(chosen, name, previous)
    files = [previous]
    for number, jobs in enumerate(rounds.plan(chosen, name.task), start=1):
        here = folder / f"round-{number:02d}"
        rounds.propose(chosen, name, files[-1], here / "proposal.json")
        proposed = Proposal.read(here / "proposal.json").candidates
        evaluations = {}
        for job, slots in enumerate(jobs):
            made = {
                item.slot: evaluation(name.task, item.key, item.cell, chosen.seed)
                for item in proposed
                if item.slot in slots
            }
            path = here / f"evaluations-{job}.json"
            EvaluationJob.of(name.task, str(name), number, made).write(path)
            took = SlotTiming(device_seconds=2.5, device="cpu", reused=number == 2)
            StepTiming(slots={str(slot): took for slot in made}, seconds=5.0).write_beside(path)
            evaluations.update(made)
        rounds.select(chosen, name, files[-1], here / "proposal.json", evaluations, here / "round.json")
        files.append(here / "round.json")
    again = _finalists(folder / "finalists", chosen, name, files[1:])
    rounds.best(name, files[1:], folder / "best.json", chosen, again)
    history = evaluation(name.task, "final", Cell.complete(["relu"]), chosen.seed).history
    kept = TrainingHistory(task=name.task, epochs=history, chosen_epoch=len(history) - 1)
    kept.write(folder / "model" / "history.json")
    best = Best.read(folder / "best.json")
    if name.task is Task.CNN:
        metrics: Metrics = {"accuracy_top1": 0.981, "accuracy_top5": 0.9993}
    else:
        metrics = {"perplexity": 98.7, "unigram_perplexity": 412.3, "validation_perplexity": 101.2}
    TestDetails(task=name.task, search=str(name), details=predictions(name.task)).write(folder / "test-details.json")
    FinalMetrics(
        task=name.task,
        search=str(name),
        seed=chosen.seed,
        seed_name=f"{chosen.seed}/{name.task}/{name}",
        dataset=chosen.training.cnn.dataset if name.task is Task.CNN else chosen.training.rnn.dataset,
        round=best.round,
        cell=best.cell,
        key=best.key,
        proxy=ProxyFacts(score=best.score, metrics=best.metrics, costs=best.costs),
        metrics=metrics,
        costs={"parameters": 31_000, "macs": 2_400_000},
        complete_costs={"parameters": 58_000, "macs": 5_100_000},
    ).write(folder / "metrics.json")


def _finalists(folder: Path, chosen: Parameters, name: SearchName, files: list[Path]) -> list[Path]:
    """Write the finalists and their evaluations, where the parameters ask for them; return the evaluations' files."""
    settings = rounds.section_of(chosen, name.task).finalists
    if settings is None:
        return []
    rounds.finalists(chosen, name, files, folder / "proposal.json")
    proposed = Proposal.read(folder / "proposal.json")
    paths = []
    for job, (repeat, slots) in enumerate(finalists.jobs(settings, settings.count)):
        seed = finalists.seed_of(chosen.seed, repeat)
        made = {
            item.slot: evaluation(name.task, item.key, item.cell, seed)
            for item in proposed.candidates
            if item.slot in slots
        }
        paths.append(folder / f"evaluations-{job}.json")
        EvaluationJob.of(name.task, str(name), proposed.round, made, repeat).write(paths[-1])
        took = SlotTiming(device_seconds=2.5, device="cpu", reused=False)
        StepTiming(slots={str(slot): took for slot in made}, seconds=5.0).write_beside(paths[-1])
    return paths


def predictions(task: Task) -> ImagePredictions | TextPredictions:
    """Return predictions on a test split as the tasks write them."""
    if task is Task.RNN:
        expected = (ExpectedWord(word="dog", probability=0.4), ExpectedWord(word="cat", probability=0.25))
        sample = TextSample(context=("the", "<i>quick</i>"), truth="cat", probability=0.25, expected=expected)
        return TextPredictions(samples=(sample,) * 8)
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
    names = tuple(f"class {number}" for number in range(10))
    right = ImageSample(image=f"data:image/png;base64,{dot}", truth=names[3], predicted=names[3], probability=0.99)
    return ImagePredictions(
        classes=names,
        images=(100,) * 10,
        correct=tuple(90 + number for number in range(10)),
        confusions=tuple((number, number, 90 + number) for number in range(10))
        + tuple((number, (number + 1) % 10, 10 - number) for number in range(10)),
        samples=(right,) * 12,
        mistakes=(right.model_copy(update={"predicted": names[8], "probability": 0.97}),) * 12,
    )
