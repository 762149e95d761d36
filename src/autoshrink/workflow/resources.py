"""What a step may need of a cluster: minutes, memory and GPUs, estimated from the parameters without running anything.

Generous on purpose: they are limits to schedule by, not predictions. Rates are those of one CPU core; where
``compute.device`` is ``cuda`` a GPU is taken to be ``GPU_SPEED`` times as fast.
"""

import os
from functools import cache
from pathlib import Path

from autoshrink.params.data import Digits, ImageFolder, Mnist5k
from autoshrink.params.language import LanguageProxy, LanguageTraining
from autoshrink.params.root import Parameters
from autoshrink.params.vision import ImageProxy, ImageTraining

GPU_SPEED = 20.0
# per minute on one core, with the paper's proxy networks: images of 32 x 32 and lines of text, forward and backward
IMAGES_PER_MINUTE = 2000.0
LINES_PER_MINUTE = 4000.0
CLASSES = 10
# nobody's queue takes longer jobs gladly; a training that needs more goes on from its checkpoint in the next job
LONGEST = 24 * 60
LIGHT = {"runtime": 10, "mem_mb": 1000, "gpu": 0}


def of(parameters: Parameters, step: str, task: str | None, attempt: int = 1) -> dict[str, int]:
    """Return ``runtime`` (minutes), ``mem_mb`` and ``gpu`` of a step: prepare, evaluate, train, test or a light one.

    Each new ``attempt`` gets more time, to at most ``LONGEST``, and more memory; never more GPUs, which would make it
    another training.
    """
    first = _first(parameters, step, task)
    return {
        "runtime": min(first["runtime"] * attempt, LONGEST),
        "mem_mb": first["mem_mb"] * attempt,
        "gpu": first["gpu"],
    }


def _first(parameters: Parameters, step: str, task: str | None) -> dict[str, int]:
    """Return what a step's first attempt gets."""
    device = parameters.compute.device
    speed = GPU_SPEED if device == "cuda" else 1.0
    gpu = int(device == "cuda" or (device == "auto" and gpus() > 0))
    if step == "prepare":
        return {"runtime": 120, "mem_mb": 8000, "gpu": 0}
    if step == "evaluate":
        return {
            "runtime": _minutes(_evaluate(parameters, task) / speed),
            "mem_mb": _memory(parameters, task),
            "gpu": gpu,
        }
    if step in ("train", "test"):
        minutes = _train(parameters, task) / speed
        runtime = _minutes(minutes) if step == "train" else _minutes(minutes / 10)
        return {"runtime": runtime, "mem_mb": 2 * _memory(parameters, task), "gpu": gpu}
    return dict(LIGHT)


@cache
def gpus() -> int:
    """Return how many NVIDIA GPUs this process may use, without waking any of them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return len(list(Path("/dev").glob("nvidia[0-9]*")))


def _minutes(estimate: float) -> int:
    return int(min(10 + estimate, LONGEST))


def _evaluate(parameters: Parameters, task: str | None) -> float:
    """Return the minutes that one evaluation job takes on one core."""
    slots = parameters.search.slots_per_job
    if task == "cnn":
        image: ImageProxy = parameters.proxy.cnn
        images = (image.train_per_class + image.validation_per_class / 3) * CLASSES
        return slots * image.training.epochs * images * image.network.base_filters / 16 / IMAGES_PER_MINUTE
    text: LanguageProxy = parameters.proxy.rnn
    lines = text.train_lines + text.validation_lines / 3
    return slots * text.training.epochs * lines * text.network.hidden / 100 / LINES_PER_MINUTE


def _train(parameters: Parameters, task: str | None) -> float:
    """Return the minutes that the final training takes on one core, as far as the parameters tell."""
    if task == "cnn":
        image: ImageTraining = parameters.training.cnn
        source = parameters.datasets[image.dataset]
        small = isinstance(source, Digits | Mnist5k)
        images = 5_000 if small else 1_300_000 if isinstance(source, ImageFolder) else 60_000
        return image.epochs * images * sum(image.network.stage_cells) / 3 / IMAGES_PER_MINUTE
    text: LanguageTraining = parameters.training.rnn
    return text.epochs * 50_000 * (text.network.hidden / 100) / LINES_PER_MINUTE


def _memory(parameters: Parameters, task: str | None) -> int:
    """Return the megabytes that one evaluation job takes: torch itself, data, and the activations kept for backward."""
    if task == "cnn":
        image: ImageProxy = parameters.proxy.cnn
        return int(2000 + 4000 * (image.training.batch_size / 128) * (image.network.base_filters / 16))
    text: LanguageProxy = parameters.proxy.rnn
    return int(2000 + 4000 * (text.training.batch_size / 128) * (text.training.bptt.length / 35))
