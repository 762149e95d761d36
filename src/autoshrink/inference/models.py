"""Locate and load trained models: in a run's results, in a search's folder, or in their own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError, DataError, UserError
from autoshrink.files import artifacts
from autoshrink.lineage import records
from autoshrink.params.base import Task
from autoshrink.records.model import DESCRIPTION, ModelDescription
from autoshrink.search.rounds import SearchName
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of
from autoshrink.workflow.layout import SearchFolder

if TYPE_CHECKING:
    from torch import nn

    from autoshrink.tasks.deployment import AnyDeployment


@dataclass(frozen=True)
class Trained:
    """A trained model: its folder, its task, its description (``model.json``) and the search that found its cell."""

    folder: Path
    task: Task
    description: ModelDescription
    search: SearchFolder | None
    """The search that found its cell; None for a model that lies by itself."""

    @property
    def name(self) -> str:
        """A name for people and files: ``cnn-shrink-0``, or the task and the folder's name."""
        return f"{self.task}-{self.search.folder.name if self.search else self.folder.name}"

    @property
    def cell(self) -> Cell:
        """Its cell. Raises UserError where a known block stands in a cell's place."""
        if not isinstance(self.description.cell, Cell):
            raise UserError(
                f"{self.folder}: is built around {self.description.cell.name}, no cell; accepted: a cell's model"
            )
        return self.description.cell

    @property
    def dataset(self) -> str:
        """The name of the data set it was trained on."""
        return self.description.origin.dataset

    @property
    def data(self) -> Path:
        """The prepared data set it was trained on, where the model's record says it lies.

        Raises DataError where there is no record, or none that names it.
        """
        wanted = self.description.origin.dataset_digest
        try:
            inputs = records.read(records.path_of(self.folder / DESCRIPTION)).inputs
        except ArtifactError:
            inputs = {}
        for path, digest in inputs.items():
            if digest == wanted:
                return Path(records.relative(path.parent, Path.cwd()))
        raise DataError(
            f"{self.folder}: no record of the training says where its data set {self.dataset!r} is; say it with --data"
        )


def find(folder: Path, task: Task | None = None, search: str | None = None) -> Trained:
    """Return the trained model in ``folder``: a run's results, one search's folder or the model's own.

    In a run, ``task`` and ``search`` choose; left out, the first one is taken (cnn before rnn, then by name). Raises
    UserError where there is none, ArtifactError where its description is damaged.
    """
    if (folder / DESCRIPTION).is_file():
        return _trained(folder, task)
    model = SearchFolder(folder).model
    if model.description.is_file():
        return _trained(model.folder, task)
    tasks = [task] if task else list(Task)
    found = [
        model.folder
        for item in tasks
        for place in sorted((folder / item).glob(search or "*"), key=_order)
        if (model := SearchFolder(place).model).description.is_file()
    ]
    if not found:
        wanted = f"{task or 'TASK'}/{search or 'SEARCH'}/model/{DESCRIPTION}"
        raise UserError(f"{folder}: holds no trained model ({wanted}); give the results of a finished run, or a model")
    return _trained(found[0], task)


def deployment_of(trained: Trained, verb: str) -> "AnyDeployment":
    """Return the deployment of the model's task. Raises UserError where ``verb`` is not written for it."""
    found = spec_of(trained.task).deployment()
    if found is None:
        accepted = " and ".join(task for task in Task if spec_of(task).deployment())
        raise UserError(
            f"{trained.folder}: {verb} is for models of {accepted}, not of {trained.task}; "
            "load this one in Python with autoshrink.load_model"
        )
    return found


def require_data(trained: Trained, folder: Path) -> None:
    """Raise DataError unless ``folder`` holds the prepared data set that the model was trained on."""
    manifest = folder / address.MANIFEST
    if not manifest.is_file():
        raise DataError(
            f"{folder}: holds no prepared data set; prepare it (autoshrink prepare {trained.dataset}), "
            "or say with --data where it is"
        )
    if artifacts.digest_of_file(manifest) != trained.description.origin.dataset_digest:
        raise DataError(
            f"{folder}: is not the data that the model was trained on (its manifest's sha256 differs); say with --data "
            f"where {trained.dataset!r} is"
        )


def costs(trained: Trained, prepared: Any) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Return what the model's network costs for one image or word, and what it would around the complete cell of its
    operators. ``prepared`` is its data."""
    spec, description = spec_of(trained.task), trained.description
    recipe = spec.sections.training.model_validate_json(json.dumps(dict(description.origin.recipe)))
    example = spec.example(prepared, recipe)
    complete = Cell.complete(trained.cell.operators[1:])
    own, whole = (spec.count(cell, description.network, example)[0] for cell in (trained.cell, complete))
    return own, whole


def load_model(folder: str | Path) -> "nn.Module":
    """Return a trained model as a module in evaluation mode, on the CPU.

    ``folder`` is a model's own folder, a search's or a run's (then the first model is taken). An image model maps
    normalised images (B, C, H, W) to logits (B, N); a language model maps tokens (T, B) and a state (B, N), at first
    ``model.initial_state(B)``, to logits (T, B, V) and the next state. Raises UserError or ArtifactError, in one line.
    """
    trained = find(Path(folder))
    return spec_of(trained.task).load_model(trained.folder)


def _trained(folder: Path, task: Task | None) -> Trained:
    path = folder / DESCRIPTION
    content = artifacts.read_sealed(path, ModelDescription.KIND, ModelDescription.VERSION)
    try:
        own = Task(content["task"])
    except (KeyError, ValueError):
        raise ArtifactError(f"{path}: names no task that is known here") from None
    if task not in (None, own):
        raise UserError(f"{path}: is a model of the task {own}, not {task}")
    search = SearchFolder(folder.parent)
    return Trained(folder, own, spec_of(own).model.read(path), search if search.best.is_file() else None)


def _order(path: Path) -> tuple[str, int, str]:
    """Sort searches by strategy, then by the seed's number."""
    name = path.name
    try:
        parsed = SearchName.parse(next(iter(Task)), name)
    except UserError:
        return name, 0, name
    return parsed.strategy, parsed.seed, name
