"""How fast the final trainings run beside reference loops on the same network and data, in one run.

    python -m benchmarks.final --data data --out benchmarks/results/final.csv

Images: torchvision's reference loop (a ``Dataset`` whose transforms take one image at a time, a ``DataLoader`` with two
workers, the same optimizer) against ``training.train``, whose epochs include augmentation, validation and checkpoint.
Text: the plain loop over edges and time steps against ``training.train``, whose epochs include dropouts, validation and
checkpoint. Both take ``compute.threads`` = all cores.
"""

import datetime
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from autoshrink import params
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.language import LanguageTraining
from autoshrink.params.vision import ImageTraining
from autoshrink.runtime import devices
from autoshrink.tasks import address
from autoshrink.tasks.language import data as language_data
from autoshrink.tasks.language import network as language_network
from autoshrink.tasks.language import sequences
from autoshrink.tasks.language import training as language_training
from autoshrink.tasks.spec import spec_of
from autoshrink.tasks.vision import data as vision_data
from autoshrink.tasks.vision import network, recipe
from autoshrink.tasks.vision import training as vision_training

from . import loops, plain, tables

COLUMNS = ("date", "device", "task", "unit", "reference_per_second", "here_per_second", "times")

ROOT = Path(__file__).parent.parent


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="data")
@click.option("--steps", default=40, help="Steps of each reference loop that are timed.")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(data: Path, steps: int, out: Path) -> None:
    """Measure, print and append to the CSV file."""
    parameters = params.load([ROOT / "params.default.yaml"], [f"compute.threads={torch.multiprocessing.cpu_count()}"])
    device = devices.pick(parameters.compute)
    found = {
        ("cnn", "images"): (images_reference(parameters, data, device, steps), images_here(parameters, data)),
        ("rnn", "tokens"): (text_reference(parameters, data, device, steps), text_here(parameters, data)),
    }
    for (task, unit), (reference, here) in found.items():
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        about = [date, loops.device_name(device), task, unit]
        measured = [f"{reference:.4g}", f"{here:.4g}", f"{here / reference:.2f}"]
        tables.append(out, COLUMNS, [dict(zip(COLUMNS, [*about, *measured], strict=True))])
        click.echo(f"{task}: reference {reference:.4g} {unit}/s, here {here:.4g} {unit}/s")


class _Images(Dataset[Any]):
    """Images as torchvision's references take them: transformed one by one."""

    def __init__(self, split: vision_data.Split, prepared: vision_data.PreparedImages, degrees: float) -> None:
        self._split = split
        self._transform = v2.Compose(
            [
                v2.RandomAffine(degrees),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(list(prepared.mean), list(prepared.deviation)),
            ]
        )

    def __len__(self) -> int:
        return len(self._split.labels_N)

    def __getitem__(self, index: int) -> Any:
        image_CHW = torch.from_numpy(self._split.images_NHWC[index]).permute(2, 0, 1)
        return self._transform(image_CHW), int(self._split.labels_N[index])


def images_reference(parameters: Parameters, data: Path, device: torch.device, steps: int) -> float:
    """Return images per second of the reference loop."""
    settings: ImageTraining = spec_of(Task.CNN).training(parameters)
    prepared = vision_data.load(address.folder(parameters, settings.dataset, data))
    cell, seed = loops.candidates_of(Task.CNN, parameters, 1)[0]
    model = network.build(cell, settings.network, prepared.channels, len(prepared.classes), seed).to(device)
    optimizer = recipe.optimizer(model, settings)
    loss_of = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    images = _Images(prepared.split("train"), prepared, settings.augmentation.rotation or 0.0)
    loader = DataLoader(images, settings.batch_size, shuffle=True, num_workers=2, drop_last=True)
    model.train()
    started, done = 0.0, -5  # the first steps warm up
    while done < steps:
        for x_BCHW, labels_B in loader:
            if done == 0:
                started = time.perf_counter()
            loss = loss_of(model(x_BCHW.to(device)), labels_B.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            done += 1
            if done == steps:
                break
    return steps * settings.batch_size / (time.perf_counter() - started)


def text_reference(parameters: Parameters, data: Path, device: torch.device, steps: int) -> float:
    """Return tokens per second of the plain loop over edges and time steps."""
    settings: LanguageTraining = parameters.training.rnn
    prepared = language_data.load(address.folder(parameters, settings.dataset, data))
    cell, seed = loops.candidates_of(Task.RNN, parameters, 1)[0]
    built = language_network.build(cell, settings.network, prepared.vocabulary, seed)
    model = plain.PlainLanguageModel(cell, built).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 1.0, weight_decay=settings.weight_decay)
    text_LB = sequences.columns(prepared.split("train"), settings.batch_size, device, "training text")
    length = settings.bptt.length
    state_BN = torch.zeros(settings.batch_size, settings.network.hidden, device=device)
    started = 0.0
    for step in range(steps + 2):
        if step == 2:
            started = time.perf_counter()
        first = step * length % (len(text_LB) - length - 1)
        logits_TBV, state_BN = model(text_LB[first : first + length], state_BN.detach())
        targets_TB = text_LB[first + 1 : first + 1 + length]
        loss = nn.functional.cross_entropy(logits_TBV.flatten(0, 1), targets_TB.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_gradient_norm)
        optimizer.step()
        loss.item()
    return steps * length * settings.batch_size / (time.perf_counter() - started)


def images_here(parameters: Parameters, data: Path) -> float:
    """Return images per second of the final training as the pipeline runs it."""
    settings: ImageTraining = parameters.training.cnn.model_copy(update={"epochs": 4})
    prepared = vision_data.load(address.folder(parameters, settings.dataset, data))
    cell, seed = loops.candidates_of(Task.CNN, parameters, 1)[0]
    held_out = sum(map(settings.held_out, prepared.manifest.class_balance["train"]))
    count = (len(prepared.split("train").labels_N) - held_out) // settings.batch_size * settings.batch_size

    def train(folder: Path, progress: Callable[[Any], None]) -> None:
        vision_training.train(cell, settings, prepared, folder, seed, parameters.compute, progress)

    return count / _epoch_seconds(train)


def text_here(parameters: Parameters, data: Path) -> float:
    """Return tokens per second of the final training as the pipeline runs it."""
    settings: LanguageTraining = parameters.training.rnn.model_copy(update={"epochs": 3})
    prepared = language_data.load(address.folder(parameters, settings.dataset, data))
    cell, seed = loops.candidates_of(Task.RNN, parameters, 1)[0]

    def train(folder: Path, progress: Callable[[Any], None]) -> None:
        language_training.train(cell, settings, prepared, folder, seed, parameters.compute, progress)

    return len(prepared.split("train")) / _epoch_seconds(train)


def _epoch_seconds(train: Callable[[Path, Callable[[Any], None]], None]) -> float:
    """Return the median time between the ends of two epochs."""
    times: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder) / "model", lambda entry: times.__setitem__(entry["epoch"], time.perf_counter()))
    ends = [times[epoch] for epoch in sorted(times)]
    return statistics.median(later - earlier for earlier, later in itertools.pairwise(ends))


if __name__ == "__main__":
    main()
