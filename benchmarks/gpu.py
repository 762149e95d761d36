"""All numbers that need a CUDA GPU, unattended, within 25 minutes:

    python -m benchmarks.gpu --out benchmarks/results/gpu        (make bench-gpu)

Writes ``exact.json`` (candidates together equal candidates alone, bit for bit), ``search.csv`` (rounds of the paper's
searches, see ``search.py``) and ``whole-search.json`` (both of the paper's searches from start to best). Prepared data
in ``--data`` is used where it is there. Where it is not, random data of the same size is, and no candidate stops early:
the time is then an upper bound.
"""

import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch

from autoshrink import params
from autoshrink.cells.cell import Cell
from autoshrink.evaluation import lanes, scheduler
from autoshrink.evaluation.store import Identity, Store
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.proposal import Proposal
from autoshrink.runtime import devices
from autoshrink.search import rounds
from autoshrink.tasks import address
from autoshrink.tasks.language import proxy as language_proxy
from autoshrink.tasks.spec import spec_of
from autoshrink.tasks.vision import proxy as vision_proxy

from . import loops, search

ROOT = Path(__file__).parent.parent
NEVER = {
    Task.CNN: {"patience": 10**6, "floor_accuracy": 0.0, "loss_ratio": 1e9, "train_accuracy_ceiling": 1.0},
    Task.RNN: {"patience": 10**6, "loss_ratio": 1e9},
}


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="data")
@click.option("--preset", type=click.Choice(["default", "paper"]), default="paper")
@click.option("--minutes", default=25.0, help="No further part is begun, and no search goes on, after this long.")
@click.option("--stand-in", is_flag=True, help="Try the code where there is no GPU; the numbers mean nothing.")
@click.option("--out", type=click.Path(path_type=Path), default="benchmarks/results/gpu")
def main(data: Path, preset: str, minutes: float, stand_in: bool, out: Path) -> None:
    """Measure everything; each part's numbers are written as soon as it is done."""
    if not (torch.cuda.is_available() or stand_in):
        raise click.ClickException("there is no CUDA GPU here; --stand-in --preset default tries the code on a CPU")
    deadline = time.monotonic() + 60 * minutes
    out.mkdir(parents=True, exist_ok=True)
    parameters = params.load(
        [ROOT / "params.default.yaml", *([ROOT / "workflow/presets/paper.yaml"] if preset == "paper" else [])]
    )
    device = devices.pick(parameters.compute)
    about = {"device": loops.device_name(device), "torch": torch.__version__, "preset": preset}
    _write(out / "exact.json", {**about, **{str(task): exact(parameters, task, data, device) for task in Task}})
    for task in Task:
        real = is_prepared(parameters, task, data)
        command = [
            sys.executable,
            "-m",
            "benchmarks.search",
            "--preset",
            preset,
            "--tasks",
            str(task),
            "--repeats",
            "2",
        ]
        command += ["--scaling", "1,2,5,10,20", "--data", str(data), "--out", str(out / "search.csv")]
        try:
            left = max(1.0, deadline - time.monotonic() - 600)  # ten minutes are kept for the searches
            subprocess.run([*command, *([] if real else ["--synthetic"])], cwd=ROOT, timeout=left, check=True)
        except subprocess.SubprocessError as error:
            click.echo(f"{task}: the rounds' benchmark did not finish: {error}", err=True)
    found: dict[str, Any] = dict(about)
    for task in Task:
        found[str(task)] = whole_search(parameters, task, data, deadline)
        _write(out / "whole-search.json", found)


def is_prepared(parameters: Parameters, task: Task, data: Path) -> bool:
    """Return whether the proxy's real data is there."""
    name: str = spec_of(task).proxy(parameters).dataset
    return (address.folder(parameters, name, data) / address.MANIFEST).exists()


def exact(parameters: Parameters, task: Task, data: Path, device: torch.device) -> dict[str, Any]:
    """Train three candidates alone, kernel by kernel, and together, as the engine does; compare their histories."""
    recipe, drawn = search.proxy_of(parameters, task, data, not is_prepared(parameters, task, data), epochs=3)
    if device.type == "cuda" and task is Task.CNN:
        drawn = drawn.to(device)
    trial: Any = vision_proxy.ImageTrial if task is Task.CNN else language_proxy.LanguageTrial
    makes = [
        partial(trial, cell, recipe, drawn, seed, device, True)
        for cell, seed in loops.candidates_of(task, parameters, 3)
    ]
    alone = {item.key: item.result for item in lanes.in_turn(enumerate(makes)) if item.result}
    work = iter([(str(key), make) for key, make in enumerate(makes)])
    side = {int(item.key): item.result for item in scheduler.train(work, 3, parameters.compute, device) if item.result}
    pairs = [
        (abs((a["train_loss"] or 0.0) - (b["train_loss"] or 0.0)), a == b)
        for key, result in alone.items()
        for a, b in zip(result.history, side[key].history, strict=True)
    ]
    return {"equal": all(equal for _, equal in pairs), "worst_train_loss_difference": max(pair[0] for pair in pairs)}


def whole_search(parameters: Parameters, task: Task, data: Path, deadline: float) -> dict[str, Any]:
    """Run the search from start to best in this process and return where its seconds went."""
    real = is_prepared(parameters, task, data)
    recipe: Any = parameters.proxy.cnn if task is Task.CNN else parameters.proxy.rnn
    recipe, drawn = search.proxy_of(parameters, task, data, not real, epochs=recipe.training.epochs)
    if not real:
        recipe = recipe.model_copy(update={"early_stop": recipe.early_stop.model_copy(update=NEVER[task])})
    spent = {"propose and select": 0.0, "evaluate": 0.0}
    device_seconds, evaluations, done = 0.0, 0, 0
    name = rounds.searches(parameters, task)[0]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        previous = Path(folder) / "round-00.json"
        rounds.start(parameters, name, previous)
        plan = rounds.plan(parameters, task)
        for number in range(1, len(plan) + 1):
            if time.monotonic() > deadline:
                break
            started = time.perf_counter()
            proposal, out = Path(folder) / f"proposal-{number}.json", Path(folder) / f"round-{number:02d}.json"
            rounds.propose(parameters, name, previous, proposal)
            candidates = Proposal.read(proposal).candidates
            wanted: dict[str, tuple[Identity, Cell]] = {}
            slots: dict[int, Identity] = {}
            for item in candidates:
                identity = Identity(task, item.key, recipe, "benchmark", parameters.seed, parameters.paper_defects)
                slots[item.slot] = identity
                if store.get(identity) is None:
                    wanted[identity.key] = identity, item.canonical
            proposed = time.perf_counter()
            for _, _, timing in scheduler.fill(store, wanted, drawn, parameters.compute, lambda key, entry: None):
                device_seconds += timing.device_seconds or 0.0
                evaluations += 1
            evaluated = time.perf_counter()
            found = {slot: kept for slot, identity in slots.items() if (kept := store.get(identity))}
            rounds.select(parameters, name, previous, proposal, found, out)
            previous, done = out, number
            spent["evaluate"] += evaluated - proposed
            spent["propose and select"] += proposed - started + time.perf_counter() - evaluated
            click.echo(
                f"{task} round {number} of {len(plan)}: {evaluated - proposed:.1f} s for {len(wanted)} evaluations"
            )
    return {
        "data": "real" if real else "synthetic, no early stops",
        "rounds": done,
        "of_rounds": len(plan),
        "evaluations": evaluations,
        "device_seconds": round(device_seconds, 1),
        "seconds": {what: round(seconds, 1) for what, seconds in spent.items()},
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    click.echo(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
