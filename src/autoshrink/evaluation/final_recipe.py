"""Evaluate finalists by the final training's recipe, shortened: on all of its data, judged on what it holds out."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.errors import DivergedError
from autoshrink.evaluation.store import Identity, Store
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.root import PaperDefects
from autoshrink.params.sections import TaskTraining
from autoshrink.records.evaluation import EpochEntry, Evaluation, Fitted, TrialResult
from autoshrink.records.history import TrainingHistory
from autoshrink.records.timing import TrialTiming
from autoshrink.runtime import devices, numerics
from autoshrink.tasks import address, availability
from autoshrink.tasks.spec import spec_of
from autoshrink.training.events import EpochEnded, TrainingEvent


@dataclass(frozen=True)
class FinalRecipe:
    """What trains cells of a task so under the root seed of ``parameters``; ``data`` is the final data's folder.

    A training goes on from checkpoints in ``scratch``, a folder of its own that is removed once its evaluation is
    stored. ``job`` is a path that no other job at work has: two that train the same finalist never share checkpoints.
    """

    parameters: Parameters
    task: Task
    data: Path
    store: Store
    job: Path

    def evaluate(
        self, cell: Cell, fitted: Fitted | None, epochs: int | None, tell: Callable[[EpochEntry, int], None]
    ) -> tuple[Evaluation, TrialTiming, bool]:
        """Return a cell's evaluation, what it took, and whether the store had it; ``fitted`` is its network within a
        budget, ``epochs`` shortens the recipe. A training that diverges has no quality."""
        recipe = self._recipe(fitted, epochs)
        identity = Identity(
            self.task,
            cell.key,
            recipe,
            self._fingerprint,
            self.parameters.seed,
            PaperDefects(),
            numerics=numerics.effective(self.parameters.compute.numerics),
        )
        found, scratch = self.store.get(identity), self.scratch(identity)
        if found is not None:
            _remove(scratch)
            return found, self.store.timing(identity), True
        started = time.perf_counter()
        result = self._train(cell, recipe, identity, scratch, lambda entry: tell(entry, recipe.epochs))
        seconds = round(time.perf_counter() - started, 3)
        timing = TrialTiming(device_seconds=seconds, device=str(devices.pick(self.parameters.compute)))
        # the timing first: an evaluation that is there has all that belongs to it
        self.store.put_timing(identity, timing)
        evaluation = self.store.put(identity, result)
        _remove(scratch)
        return evaluation, timing, False

    def scratch(self, identity: Identity) -> Path:
        """Return the folder that this job trains in."""
        job = artifacts.digest_of(str(self.job.absolute()))
        return self.store.folder.parent / "finalists" / f"{identity.key}-{job[:16]}"

    def _recipe(self, fitted: Fitted | None, epochs: int | None) -> TaskTraining:
        spec = spec_of(self.task)
        recipe: TaskTraining = spec.training(self.parameters)
        if fitted is not None:
            recipe = spec.fitted(recipe, fitted.network)
        return recipe if epochs is None else recipe.model_copy(update={"epochs": epochs})

    @cached_property
    def _prepared(self) -> Any:
        return spec_of(self.task).load(self.data)

    @cached_property
    def _fingerprint(self) -> str:
        files = availability.side_inputs(self.parameters, "training", self.task)
        return artifacts.digest_of([artifacts.digest_of_file(path) for path in (self.data / address.MANIFEST, *files)])

    def _train(
        self,
        cell: Cell,
        recipe: TaskTraining,
        identity: Identity,
        folder: Path,
        tell: Callable[[EpochEntry], None],
    ) -> TrialResult:
        spec = spec_of(self.task)
        # a candidate has one thread, so that its numbers do not depend on how many there are
        compute = self.parameters.compute.model_copy(update={"threads": 1})

        def progress(event: TrainingEvent) -> None:
            if isinstance(event, EpochEnded):
                tell(event.entry)

        stopped, history = None, TrainingHistory(task=self.task, epochs=(), chosen_epoch=None)
        try:
            spec.train(cell, recipe, self._prepared, folder, identity.candidate_seed, compute, progress)
            history = TrainingHistory.read(folder / "history.json")
        except DivergedError:
            stopped = "diverged"
        chosen: EpochEntry = {} if history.chosen_epoch is None else history.epochs[history.chosen_epoch]
        costs = spec.count(cell, recipe.network, spec.example(self._prepared, recipe))[0]
        return TrialResult(
            metrics={
                spec.metric.name: chosen.get(f"validation_{spec.metric.name}"),
                "loss": chosen.get("validation_loss"),
                "best_epoch": history.chosen_epoch,
            },
            history=history.epochs,
            stopped=stopped,
            costs=costs,
        )


def _remove(scratch: Path) -> None:
    """Remove the folder that a training was in, where there is one."""
    if scratch.is_dir():
        shutil.rmtree(scratch)
