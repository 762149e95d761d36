"""Whether prepared data is large enough for the recipes that name it, told before anything is trained on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autoshrink.errors import ArtifactError, DataError
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task


def check(parameters: Parameters) -> None:
    """Compare both recipes of each task with the manifests of those of their data sets that are prepared.

    A manifest that cannot be read is left to who reads the data; one of other settings is about to be made anew.
    Raises DataError, one line per mistake.
    """
    wrong: list[str] = []
    for name in parameters.used_datasets:
        try:
            manifest = artifacts.read_sealed(Path(parameters.paths.data) / name / "manifest.json", "dataset", 1)
        except ArtifactError:
            continue
        if manifest["settings"] != parameters.datasets[name].model_dump(mode="json"):
            continue
        if Task.CNN in parameters.tasks and manifest["task"] == Task.CNN:
            wrong += _images(parameters, name, manifest)
        if Task.RNN in parameters.tasks and manifest["task"] == Task.RNN:
            wrong += _text(parameters, name, manifest)
    if wrong:
        raise DataError("\n".join(wrong))


def _images(parameters: Parameters, name: str, manifest: dict[str, Any]) -> Iterator[str]:
    per_class = manifest["class_balance"]["train"]
    smallest, everything = min(per_class), sum(per_class)
    proxy, training = parameters.proxy.cnn, parameters.training.cnn
    if proxy.dataset == name:
        defects = parameters.paper_defects
        apart = not (defects.validation_from_test_split or defects.validation_with_replacement)
        wanted = proxy.train_per_class + (proxy.validation_per_class if apart else 0)
        if wanted > smallest:
            yield (
                f"proxy.cnn: train_per_class {proxy.train_per_class} and validation_per_class "
                f"{proxy.validation_per_class} are wanted, and a class of data set {name!r} has "
                f"only {smallest} training images; ask for fewer"
            )
        elif proxy.training.batch_size > proxy.train_per_class * len(per_class):
            yield (
                f"proxy.cnn.training.batch_size = {proxy.training.batch_size}: the proxy has only "
                f"{proxy.train_per_class * len(per_class)} training images; accepted: at most that many"
            )
    if training.dataset == name:
        left = everything - training.validation_per_class * len(per_class)
        if training.validation_per_class >= smallest:
            yield (
                f"training.cnn.validation_per_class = {training.validation_per_class}: a class of data set {name!r} "
                f"has only {smallest} images; accepted: fewer than that"
            )
        elif training.batch_size > left:
            yield (
                f"training.cnn.batch_size = {training.batch_size}: data set {name!r} leaves {left} images to train on; "
                "accepted: at most that many"
            )


def _text(parameters: Parameters, name: str, manifest: dict[str, Any]) -> Iterator[str]:
    proxy = parameters.proxy.rnn
    if proxy.dataset != name:
        return
    for split in ("train", "validation", "test"):
        wanted, there = getattr(proxy, f"{split}_lines"), manifest["counts"][split]["lines"]
        if wanted > there:
            yield f"proxy.rnn.{split}_lines = {wanted}: data set {name!r} has only {there}; accepted: at most that many"
