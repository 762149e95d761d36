"""What ``model.json`` says of a trained model: all that is needed to use its weights, which it vouches for."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, JsonValue

from autoshrink.params.base import Section
from autoshrink.records.record import BodyField, Count, Record, Sha256, TaskRecord, optional

DESCRIPTION, WEIGHTS = "model.json", "model.safetensors"


class Origin(Record):
    """What a model was trained on, and how."""

    dataset: str
    dataset_digest: str
    """sha256 of the data set's manifest."""
    source: str
    seed: int
    processes: Annotated[Count | None, Field(exclude_if=optional)] = None
    """Processes that trained it together."""
    recipe: Mapping[str, JsonValue]


class ModelDescription(TaskRecord):
    """What every model says of itself; each task's own type adds what its inputs and outputs are."""

    KIND: ClassVar = "model"

    cell: BodyField
    """The cell or, for comparison, the known block in its place."""
    network: Section
    origin: Origin
    weights_sha256: Annotated[Sha256 | None, Field(exclude_if=optional)] = None
    """Of the file beside it."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read the description in a model's folder. Raises ArtifactError as ``read`` does."""
        return cls.read(folder / DESCRIPTION)

    @property
    @abstractmethod
    def summary(self) -> str:
        """What the model is, in a phrase."""
