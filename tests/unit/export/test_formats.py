"""Models leave as they are: every format gives what PyTorch gives, for found and for released cells."""

from pathlib import Path

import pytest
import torch

from autoshrink.export import formats
from autoshrink.inference import models
from autoshrink.params.base import Task
from autoshrink.tasks.deployment import Inputs


def inputs(task: Task, sizes: tuple[int, ...] = (4, 1, 3)) -> list[Inputs]:
    if task is Task.CNN:
        return [(torch.rand(size, 1, 8, 8),) for size in sizes]
    return [(torch.randint(0, 12, (5 + size, size)), 0.1 * torch.randn(size, 16)) for size in sizes]


@pytest.mark.parametrize("format", [format for format in formats.FILES if format != formats.INT8])
@pytest.mark.parametrize("task", list(Task))
def test_format_equals_pytorch(task: Task, format: str, run: Path, tmp_path: Path) -> None:
    """Each exact format of each task is written and gives PyTorch's outputs for several batch sizes and lengths."""
    written = formats.write(models.find(run / "results", task), format, inputs(task), tmp_path)
    assert written.path.is_file()
    assert written.difference <= formats.TOLERANCE
