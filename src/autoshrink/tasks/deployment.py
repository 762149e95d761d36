"""What ``predict`` and ``export`` ask of a task's trained models."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from autoshrink.files.artifacts import Json
from autoshrink.records.model import ModelDescription
from autoshrink.training.events import Progress

Inputs = tuple[Tensor, ...]
Run = Callable[[Inputs], Sequence[Tensor]]
Described = TypeVar("Described", bound=ModelDescription)


@dataclass(frozen=True)
class Signature:
    """An exported model's inputs and outputs by name, and which axes of the inputs may have any size."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axes: tuple[Mapping[int, str], ...]


class Prediction(ABC):
    """A model's answer to the user's own file or folder."""

    @abstractmethod
    def to_json(self) -> Json:
        """Return the answer as JSON values."""

    @abstractmethod
    def text(self) -> str:
        """Return the answer for people or spreadsheets, one or more lines."""

    @property
    def remark(self) -> str | None:
        """A line about the answer as a whole, for stderr."""
        return None


class Deployment(ABC, Generic[Described]):
    """A task's trained models outside the pipeline."""

    signature: Signature
    usage: Mapping[str, str]
    """Example code by export format, with ``{file}`` and the fields of ``sizes`` to fill in."""
    fine_tunes = False
    """Whether ``fine_tune`` is written."""

    @abstractmethod
    def accepts(self, path: Path) -> bool:
        """Whether ``path`` looks like something that this task's models take."""

    @abstractmethod
    def predict(self, folder: Path, path: Path, count: int) -> Prediction:
        """Apply the model in ``folder`` to the file or folder ``path``; name the ``count`` likeliest answers.

        Raises DataError, naming the file, for one that cannot be read.
        """

    @abstractmethod
    def inputs(self, folder: Path, data: Path) -> list[Inputs]:
        """Return inputs of several batch sizes for the model in ``folder`` from its prepared data in ``data``.

        Never of the test split. Raises ArtifactError where the data is damaged.
        """

    @abstractmethod
    def calibration(self, folder: Path, data: Path) -> Iterator[Inputs] | None:
        """Return validation inputs to calibrate an int8 model's scales on; None where they are found as it runs.

        Raises DataError, also where it returns None, when no validation data was held out.
        """

    def fine_tune(self, folder: Path, data: Path, epochs: int, out: Path, progress: Progress) -> None:
        """Train the model in ``folder`` on for so many epochs while its numbers are rounded as in int8; write it into
        ``out``, with checkpoints that the same call goes on from. Only where ``fine_tunes``."""
        raise NotImplementedError

    @abstractmethod
    def judge(self, folder: Path, data: Path, run: Run) -> tuple[str, float, int]:
        """Return the metric's name, its value and on how many examples, of ``run`` on all validation data.

        ``run`` maps inputs to outputs as ``signature`` says, for the model in ``folder``.
        """

    @abstractmethod
    def labels(self, description: Described) -> tuple[str, Sequence[str]]:
        """Return what the outputs stand for: ``classes`` or ``words``, and their names."""

    @abstractmethod
    def preparation(self, description: Described) -> Sequence[str]:
        """Return what must be done to an image or text before the model takes it, step by step, in sentences."""

    @abstractmethod
    def sizes(self, description: Described) -> Mapping[str, int]:
        """Return the sizes of an example input, for ``usage``."""

    def reference(self, model: nn.Module, description: Described) -> nn.Module:
        """Return the PyTorch module that every exported file must equal."""
        return model

    def for_onnx(self, model: nn.Module, description: Described) -> nn.Module:
        """Return the module that is exported to ONNX: the reference, or its equal in what the exporter takes."""
        return self.reference(model, description)

    @abstractmethod
    def scripted(self, model: nn.Module, description: Described, example: Inputs) -> Any:
        """Return the model as a TorchScript module."""


AnyDeployment = Deployment[Any]


def traced(module: nn.Module, example: Any) -> torch.jit.ScriptModule:
    """Return a module as TorchScript, traced on an example."""
    script: torch.jit.ScriptModule = torch.jit.trace(module.eval(), example)  # type: ignore[no-untyped-call]
    return script
