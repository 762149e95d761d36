"""A made run: real rounds, chosen by the real search, around evaluations and metrics that are made up."""

import math
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.runtime import seeds
from autoshrink.search import rounds
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


def evaluation(task: Task, key: str, cell: Cell, seed: int) -> dict[str, Any]:
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
    identity = {
        "task": task.value,
        "cell": key,
        "seed": seed,
        "data": "d" * 64,
        "evaluator": 1,
        "proxy": {},
        "defects": [],
    }
    return {
        "key": artifacts.digest_of(identity),
        "identity": identity,
        "seed": seeds.derive(seed, f"evaluation/{task}/{key}"),
        "metrics": {
            name: value,
            "loss": None if diverged else history[-1]["validation_loss"],
            "best_epoch": epochs - 1,
        },
        "history": history[:1] if diverged else history,
        "stopped": "diverged" if diverged else None if epochs > 5 else "5 epochs without a new best",
        "costs": {"parameters": 2500 + 900 * size, "macs": 420_000 + 190_000 * size + 30_000 * len(cell.nodes)},
    }


def run(results: Path, chosen: Parameters) -> None:
    """Write a whole made run into ``results``."""
    for task in chosen.tasks:
        for name in rounds.searches(chosen, task):
            _search(results / task / str(name), chosen, name)
    row = {"task": "cnn", "name": "A known network", "parameters": 3_470_760, "macs": 300_774_272, "source": "counted"}
    artifacts.write_sealed(results / "report" / "known-networks.json", "known-networks", 1, {"rows": [row]})


def _search(folder: Path, chosen: Parameters, name: SearchName) -> None:
    previous = folder / "round-00" / "round.json"
    rounds.start(chosen, name, previous)
    files = [previous]
    for number, jobs in enumerate(rounds.plan(chosen, name.task), start=1):
        here = folder / f"round-{number:02d}"
        rounds.propose(chosen, name, files[-1], here / "proposal.json")
        proposed = artifacts.read_sealed(here / "proposal.json", rounds.PROPOSAL, rounds.VERSION)["candidates"]
        evaluations = {}
        for job, slots in enumerate(jobs):
            made = {
                str(item["slot"]): evaluation(name.task, item["key"], Cell.from_json(item["cell"]), chosen.seed)
                for item in proposed
                if item["slot"] in slots
            }
            path = here / f"evaluations-{job}.json"
            body = {**name.to_json(), "round": number, "evaluations": made}
            artifacts.write_sealed(path, "evaluations", 1, body)
            slots_took = {slot: {"device_seconds": 2.5, "device": "cpu", "reused": number == 2} for slot in made}
            artifacts.write_timing(path, {"slots": slots_took, "seconds": 5.0})
            evaluations.update({int(slot): item for slot, item in made.items()})
        rounds.select(chosen, name, files[-1], here / "proposal.json", evaluations, here / "round.json")
        files.append(here / "round.json")
    rounds.best(name, files, folder / "best.json")
    history = evaluation(name.task, "final", Cell.complete(["relu"]), chosen.seed)["history"]
    artifacts.write_sealed(folder / "model" / "history.json", "history", 1, {"task": name.task, "epochs": history})
    cell, best = rounds.read_best(folder / "best.json")
    if name.task is Task.CNN:
        metrics = {"accuracy_top1": 0.981, "accuracy_top5": 0.9993}
    else:
        metrics = {"perplexity": 98.7, "unigram_perplexity": 412.3, "validation_perplexity": 101.2}
    content = {**name.to_json(), "details": details(name.task)}
    artifacts.write_sealed(folder / "test-details.json", "test-details", 1, content)
    artifacts.write_sealed(
        folder / "metrics.json",
        "metrics",
        1,
        {
            **name.to_json(),
            "seed": chosen.seed,
            "seed_name": f"{chosen.seed}/{name.task}/{name}",
            "dataset": chosen.training.cnn.dataset if name.task is Task.CNN else chosen.training.rnn.dataset,
            "round": best["round"],
            "cell": cell.to_json(),
            "key": cell.key,
            "proxy": {"score": best["score"], "metrics": best["metrics"], "costs": best["costs"]},
            "metrics": metrics,
            "costs": {"parameters": 31_000, "macs": 2_400_000},
            "complete_costs": {"parameters": 58_000, "macs": 5_100_000},
        },
    )


def details(task: Task) -> dict[str, Any]:
    """Return predictions on a test split as the tasks write them."""
    if task is Task.RNN:
        expected = [{"word": "dog", "probability": 0.4}, {"word": "cat", "probability": 0.25}]
        sample = {"context": ["the", "<i>quick</i>"], "truth": "cat", "probability": 0.25, "expected": expected}
        return {"kind": "text", "samples": [sample] * 8}
    dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
    names = [f"class {number}" for number in range(10)]
    right = {"image": f"data:image/png;base64,{dot}", "truth": names[3], "predicted": names[3], "probability": 0.99}
    return {
        "kind": "images",
        "classes": names,
        "images": [100] * 10,
        "correct": [90 + number for number in range(10)],
        "confusions": [[number, number, 90 + number] for number in range(10)]
        + [[number, (number + 1) % 10, 10 - number] for number in range(10)],
        "samples": [right] * 12,
        "mistakes": [{**right, "predicted": names[8], "probability": 0.97}] * 12,
    }
