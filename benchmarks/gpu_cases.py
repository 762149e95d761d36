"""What ``benchmarks.gpu`` measures, a case in a process: ``python -m benchmarks.gpu_cases CASE OUT`` writes its rows.

It imports what a case needs only then: also torch, which must find the numerics' variables set.
"""

import contextlib
import ctypes
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from autoshrink import params
from autoshrink.params.base import Task
from autoshrink.runtime import numerics

ROOT = Path(__file__).parent.parent
NEVER: dict[Task, dict[str, Any]] = {
    Task.CNN: {"patience": 10**6, "floor_accuracy": 0.0, "loss_ratio": 1e9, "train_accuracy_ceiling": 1.0},
    Task.RNN: {"patience": 10**6, "loss_ratio": 1e9},
}
"""Rules that stop no candidate early."""
EPOCHS = 6
"""Of each candidate of a round: lanes overlap from the first, but graphs are captured in it."""

Row = dict[str, Any]


def row(quantity: str, value: float | str, unit: str = "", **more: Any) -> Row:
    """Return one measured number."""
    return {"quantity": quantity, "value": f"{value:.6g}" if isinstance(value, float) else value, "unit": unit, **more}


class Bench:
    """What the cases share: parameters, device, data."""

    def __init__(self, preset: str, data: str, device: str, work: str) -> None:
        self.files = [ROOT / "params.default.yaml", ROOT / f"workflow/presets/{preset}.yaml"]
        self.tiny = preset == "smoke"
        self.data, self.work, self.kind = Path(data), Path(work), device
        self.parameters = params.load(self.files, [f"compute.device={device}"])

    def measure(self, part: str, settings: dict[str, Any]) -> list[Row]:
        """Return the rows of a case."""
        rows: list[Row] = getattr(self, part)(**settings)
        return rows

    def exact(
        self, task: str, graphs: bool = True, dropout: float = 0.0, channels_last: bool = True, precision: str = ""
    ) -> list[Row]:
        """Train three candidates alone, kernel by kernel, and together, as the engine does; compare their histories."""
        from autoshrink.evaluation import lanes, scheduler
        from autoshrink.runtime import devices

        compute = self.parameters.compute.model_copy(update={"cuda_graphs": graphs, "channels_last": channels_last})
        device = devices.pick(compute)
        makes, about = self._candidates(task, 3, 1 if self.tiny else 3, device, dropout=dropout, precision=precision)
        alone = {item.key: item.result for item in lanes.in_turn(enumerate(makes)) if item.result}
        work = iter([(str(key), make) for key, make in enumerate(makes)])
        side = {int(item.key): item.result for item in scheduler.train(work, 3, compute, device) if item.result}
        pairs = [
            (abs((a["train_loss"] or 0.0) - (b["train_loss"] or 0.0)), a == b)
            for key, result in alone.items()
            for a, b in zip(result.history, side[key].history, strict=True)
        ]
        return [
            row("together equals alone", int(all(equal for _, equal in pairs)), "1: bit for bit", data=about),
            row("worst difference of training losses", max(difference for difference, _ in pairs), "nats", data=about),
        ]

    def layouts(self, channels_last: bool, precision: str, deterministic: bool) -> list[Row]:
        """Time the complete cell's training: what the first epoch takes, and later ones."""
        import torch

        from autoshrink.evaluation import lanes
        from autoshrink.runtime import devices

        update = {"channels_last": channels_last, "deterministic": deterministic}
        device = devices.pick(self.parameters.compute.model_copy(update=update))
        makes, about = self._candidates(
            "cnn", 1, 2 if self.tiny else 5, device, precision=precision, deterministic=deterministic
        )
        seconds: list[float] = []
        lane = lanes.GraphLane(makes[0], lanes.Streams(), graphs=True) if device.type == "cuda" else makes[0]()
        while not lane.done:
            started = time.perf_counter()
            if isinstance(lane, lanes.GraphLane):
                lane.launch_epoch()
                lane.end_epoch()
            else:
                lane.run_epoch()
            seconds.append(time.perf_counter() - started)
        memory = torch.cuda.max_memory_reserved() / 2**30 if device.type == "cuda" else 0.0
        return [
            row("first epoch", seconds[0], "s", data=about),
            row("later epoch", statistics.median(seconds[1:]), "s", data=about),
            row("memory", memory, "GiB", data=about),
        ]

    def rounds(self, task: str, way: str, k: int, gib: float | None = None) -> list[Row]:
        """Train a round's candidates as an evaluation job does, or one after another in the plain loop."""
        from . import loops

        of = Task(task)
        recipe, drawn, about = self._proxy(of, 2 if self.tiny else EPOCHS)
        chosen = loops.candidates_of(of, self.parameters, k)
        compute = self.parameters.compute.model_copy(update={"max_memory_gib": gib})
        if way == "plain":
            found = loops.in_turn(of, recipe, drawn, chosen, compute)
        else:
            found = loops.engine(of, recipe, drawn, chosen, compute, 1)
        return [
            row("candidate-epochs", found.rate, "1/s", data=about),
            row("CPU time of a candidate-epoch", found.cpu_seconds / found.epochs, "s", data=about),
            row("memory", found.memory_gib, "GiB", data=about),
        ]

    def searches(self, task: str, way: str) -> list[Row]:
        """Run a whole search, from start to best; a call that ends in between is gone on from."""
        of = Task(task)
        work = self.work / f"{self.files[1].stem}-{task}-{way}"
        work.mkdir(parents=True, exist_ok=True)
        overlay, about = self._overlay(of, work)
        spent = Spent(work / "spent.json")
        run = self._by_snakemake if way == "snakemake" else self._by_jobs
        rounds = run(of, [*self.files, overlay], work, spent)
        total = sum(spent.seconds.values())
        rows = [row("search", total, "s", data=about), row("rounds", rounds, "", data=about)]
        return rows + [row(what, seconds, "s", data=about) for what, seconds in sorted(spent.seconds.items())]

    def _by_jobs(self, task: Task, files: list[Path], work: Path, spent: "Spent") -> int:
        """Run every step as a process with the rules' own command, in turn; what is there is not made anew."""
        from autoshrink.search import finalists
        from autoshrink.search import rounds as search
        from autoshrink.tasks import address
        from autoshrink.tasks.spec import spec_of

        parameters = params.load(files)
        name = search.searches(parameters, task)[0]
        dataset = spec_of(task).proxy(parameters).dataset
        data = address.folder(parameters, dataset)
        given = [word for file in files for word in ("--params", str(file))]
        about = ["--task", str(task)]

        def step(verb: str, out: Path, *words: object, gpus: bool = False) -> None:
            if out.exists():
                return
            program = [str(ROOT / "workflow/bin/gpus"), "1"] if gpus and self.kind == "cuda" else []
            command = [*program, sys.executable, "-m", "autoshrink", verb]
            with spent.on(verb):
                subprocess.run([*command, "--out", str(out), *map(str, words)], cwd=ROOT, check=True)

        if not (data / address.MANIFEST).exists():
            step("prepare", data, dataset, *given)
        folder = work / "rounds"
        searched = [*about, "--search", f"{name.strategy}-{name.seed}"]
        previous = folder / "round-00/round.json"
        step("start", previous, *given, *searched)
        states = [previous]
        for number, jobs in enumerate(search.plan(parameters, task, name.strategy), 1):
            here = folder / f"round-{number:02d}"
            proposal, state = here / "proposal.json", here / "round.json"
            step("propose", proposal, *given, *searched, "--previous", previous)
            outs = [here / f"evaluations-{job}.json" for job in range(len(jobs))]
            for slots, out in zip(jobs, outs, strict=True):
                words = [*given, *about, "--proposal", proposal, "--slots", f"{slots.start}:{slots.stop}"]
                step("evaluate", out, *words, "--data", data, "--store", work / "store", gpus=True)
            step("select", state, *given, *searched, "--previous", previous, "--proposal", proposal, *outs)
            states.append(state)
            previous = state
        chosen, found = folder / "finalists/proposal.json", []
        for job, (repeat, slots) in enumerate(
            finalists.jobs(search.section_of(parameters, task).finalists, parameters.search.slots_per_job)
        ):
            step("finalists", chosen, *given, *searched, *states)
            found.append(folder / f"finalists/evaluations-{job}.json")
            words = [*given, *about, "--proposal", chosen, "--repeat", repeat, "--slots", f"{slots.start}:{slots.stop}"]
            step("repeat", found[-1], *words, "--data", data, "--store", work / "store", gpus=True)
        decided = [word for file in found for word in ("--repeated", file)]
        step("best", folder / "best.json", *given, *searched, *decided, *states)
        return len(states) - 1

    def _by_snakemake(self, task: Task, files: list[Path], work: Path, spent: "Spent") -> int:
        """Run what ``make run`` runs, up to the search's answer."""
        from autoshrink.search import rounds as search

        parameters = params.load(files)
        name = search.searches(parameters, task)[0]
        (work / "params.yaml").write_bytes(files[0].read_bytes())
        best = Path(parameters.paths.results) / str(task) / f"{name.strategy}-{name.seed}" / "best.json"
        command = [sys.executable, str(ROOT / "tools/run.py"), str(best), "--cores", str(len(os.sched_getaffinity(0)))]
        command += [
            "--resources",
            "gpu=1",
            "--snakefile",
            str(ROOT / "Snakefile"),
            "--configfile",
            *map(str, files[1:]),
        ]
        with spent.on("make run"):
            subprocess.run(command, cwd=work, check=True)
        return len(search.plan(parameters, task, name.strategy))

    def steps(self, optimizer: str = "", precision: str = "") -> list[Row]:
        """Time the final trainings: ShrinkRNN's steps or whole epochs, ShrinkCNN-A's steps."""
        return self._shrinkcnn(precision) if precision else self._shrinkrnn(optimizer)

    def _shrinkrnn(self, optimizer: str) -> list[Row]:
        import torch

        from autoshrink.cells import released
        from autoshrink.runtime import devices
        from autoshrink.runtime.processes import Share
        from autoshrink.tasks.language import data, training
        from autoshrink.training.events import EpochEnded, TrainingEvent
        from autoshrink.training.loop import Loop

        from . import gpu_data

        cell = released.load("shrinkrnn").cells[0]
        recipe = self.parameters.training.rnn.model_copy(update={"epochs": 3, "checkpoint_steps": 0})
        device = devices.pick(self.parameters.compute)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            entry = gpu_data.text(folder, 40, 300) if self.tiny else gpu_data.text(folder, 10000, 42000)
            data.prepare("text", entry, folder / "prepared", folder, 1)
            text = data.load(folder / "prepared")
            if optimizer == "epochs":
                ends: dict[int, float] = {}

                def tell(event: TrainingEvent) -> None:
                    if isinstance(event, EpochEnded):
                        ends[event.epoch] = time.perf_counter()

                training.train(cell, recipe, text, folder / "model", 1, self.parameters.compute, tell)
                times = [ends[epoch] for epoch in sorted(ends)]
                epochs = [later - earlier for earlier, later in itertools.pairwise(times)]
                return [
                    row("epoch, validation and checkpoint included", statistics.median(epochs), "s", data="synthetic")
                ]
            learner = training.LanguageLearner(cell, recipe, text, 1, device, Share())
            if optimizer == "asgd":
                learner.optimizer = training.averaging_optimizer(learner.model, recipe)
            loop = Loop(learner, Task.RNN, folder / "model", device, Share(), lambda _: None)
            loop.module.train()
            counts = [2, 2] if self.tiny else [10, 100]  # the first ones warm up
            batches = learner.batches(0, 0)
            words = 0
            for count in counts:
                finish(device)
                started, words = time.perf_counter(), 0
                for batch in itertools.islice(batches, count):
                    loop._run_step(batch)
                    loop.step += 1
                    words += (len(batch.words_SB) - 1) * recipe.batch_size
                finish(device)
                seconds = time.perf_counter() - started
            memory = torch.cuda.max_memory_reserved() / 2**30 if device.type == "cuda" else 0.0
        return [
            row("step", seconds / counts[-1], "s", data="synthetic"),
            row("words", words / seconds, "1/s", data="synthetic"),
            row("memory", memory, "GiB", data="synthetic"),
        ]

    def _shrinkcnn(self, precision: str) -> list[Row]:
        import torch

        from autoshrink.cells import released
        from autoshrink.runtime import devices
        from autoshrink.tasks.vision import network
        from autoshrink.tasks.vision import recipe as recipes

        device = devices.pick(self.parameters.compute)
        devices.allow_tf32(precision == "tf32")
        how = self.parameters.training.cnn
        batch, size, classes = (2, 32, 3) if self.tiny else (how.batch_size, how.image_size or 224, 1000)
        cell, layout = released.load("shrinkcnn-a").cells[0], devices.image_layout(device)
        made = network.build(cell, how.network, 3, classes, 1)
        module = made.to(device=device, memory_format=layout)  # type: ignore[call-overload]
        optimizer, average = recipes.optimizer(module, how), recipes.averaged(module, how)
        x_BCHW = torch.randn(batch, 3, size, size, device=device).to(memory_format=layout)
        labels_B = torch.arange(batch, device=device) % classes
        half = device.type == "cuda" and precision == "bfloat16"

        def step() -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                loss = torch.nn.functional.cross_entropy(module(x_BCHW), labels_B)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            if average:
                average.update(module)

        module.train()
        count = 1 if self.tiny else 30
        for _ in range(1 if self.tiny else 5):
            step()
        finish(device)
        started = time.perf_counter()
        for _ in range(count):
            step()
        finish(device)
        seconds = (time.perf_counter() - started) / count
        memory = torch.cuda.max_memory_reserved() / 2**30 if device.type == "cuda" else 0.0
        return [
            row("step", seconds, "s", data="synthetic"),
            row("images", batch / seconds, "1/s", data="synthetic"),
            row("memory", memory, "GiB", data="synthetic"),
        ]

    def input(self, workers: int) -> list[Row]:
        """Decode and augment photographs as ImageNet's training does."""
        from autoshrink.runtime import devices
        from autoshrink.runtime.processes import Share
        from autoshrink.tasks.vision import data, splits

        from . import gpu_data

        device = devices.pick(self.parameters.compute)
        paper = params.load([ROOT / "params.default.yaml", ROOT / "workflow/presets/paper.yaml"])
        batch, count = (4, 12) if self.tiny else (256, 4096)
        how = paper.training.cnn.model_copy(update={"batch_size": batch, "loader_workers": workers})
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            entry = gpu_data.photographs(folder / "photographs", count)
            data.prepare("photographs", entry, folder / "prepared", folder, 1)
            feed, _ = splits.training_feeds(data.load(folder / "prepared"), how, 1, Share(), device)
            batches = feed.training_batches(how, 1, 0, 0)
            next(batches)  # starting the workers is paid once
            started, seen = time.perf_counter(), 0
            for _, labels_B in batches:
                seen += len(labels_B)
            finish(device)
            seconds = time.perf_counter() - started
        return [row("images decoded and augmented", seen / seconds, "1/s", data="synthetic")]

    def _proxy(self, task: Task, epochs: int) -> tuple[Any, Any, str]:
        """Return the proxy's recipe, of so many epochs without early stops, its data, and whether that is real."""
        from autoshrink.tasks import address
        from autoshrink.tasks.spec import spec_of

        from . import search

        dataset = spec_of(task).proxy(self.parameters).dataset
        real = (address.folder(self.parameters, dataset, self.data) / address.MANIFEST).exists()
        recipe, drawn = search.proxy_of(self.parameters, task, self.data, not real, epochs)
        recipe = recipe.model_copy(update={"early_stop": recipe.early_stop.model_copy(update=NEVER[task])})
        return recipe, drawn, "real" if real else "synthetic"

    def _candidates(
        self,
        task: str,
        k: int,
        epochs: int,
        device: Any,
        *,
        dropout: float = 0.0,
        precision: str = "",
        deterministic: bool = True,
    ) -> tuple[list[Callable[[], Any]], str]:
        """Return what makes k candidates, and whether their data is real."""
        from autoshrink.tasks.spec import spec_of

        from . import loops

        of = Task(task)
        recipe, drawn, about = self._proxy(of, epochs)
        if precision:
            recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"precision": precision})})
        if dropout:
            recipe = recipe.model_copy(update={"network": recipe.network.model_copy(update={"dropout": dropout})})
        spec = spec_of(of)
        drawn = spec.to_device(drawn, device)
        return [
            partial(spec.trial, cell, recipe, drawn, seed, device, deterministic)
            for cell, seed in loops.candidates_of(of, self.parameters, k)
        ], about

    def _overlay(self, task: Task, work: Path) -> tuple[Path, str]:
        """Write the overlay of a whole search, with random data where there is none prepared; return whether it is."""
        from autoshrink.tasks import address
        from autoshrink.tasks.spec import spec_of

        from . import gpu_data

        recipe: Any = spec_of(task).proxy(self.parameters)
        real = (address.folder(self.parameters, recipe.dataset, self.data) / address.MANIFEST).exists()
        values: dict[str, Any] = {
            "tasks": [str(task)],
            "paths": {
                "data": str(self.data if real else work / "data"),
                "store": str(work / "store"),
                "results": str(work / "results"),
            },
            "compute": {"device": self.kind},
        }
        if not real:
            source = work / "source"
            if task is Task.CNN:
                per_class = recipe.train_per_class + recipe.validation_per_class
                entry: Any = gpu_data.pictures(source, per_class)
            else:
                entry = gpu_data.text(source, 8500 * recipe.train_lines // 4000, recipe.train_lines)
            values["datasets"] = {"stand-in": entry.model_dump(mode="json")}
            values["proxy"] = {str(task): {"dataset": "stand-in", "early_stop": dict(NEVER[task])}}
            values["training"] = {str(task): {"dataset": "stand-in"}}
        path = work / "overlay.yaml"
        path.write_text(json.dumps(values), encoding="utf-8")
        return path, "real" if real else "synthetic, no early stops"


class Spent:
    """Seconds by what they were spent on, kept over calls; what is killed keeps all but its last second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.seconds: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

    @contextlib.contextmanager
    def on(self, what: str) -> Any:
        """Count the block's time."""
        import threading

        before, started = self.seconds.get(what, 0.0), time.perf_counter()
        ended = threading.Event()

        def note() -> None:
            self.seconds[what] = before + time.perf_counter() - started
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps(self.seconds))
            new.replace(self._path)

        def watch() -> None:
            while not ended.wait(1.0):
                note()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            note()


def finish(device: Any) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize()


def end_with_parent() -> None:
    """Have the system end this process, and it its group, when the one that started it dies."""
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def main(about: str, out: Path) -> None:
    """Measure one case and write its rows, all or none."""
    end_with_parent()
    numerics.apply("portable")
    given = json.loads(about)
    rows = Bench(**given["setting"]).measure(given["case"]["part"], given["case"]["settings"])
    new = out.with_suffix(".new")
    new.write_text(json.dumps(rows), encoding="utf-8")
    new.replace(out)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
