"""Training state on disk: tensors in safetensors, everything else in a sealed JSON beside it; never a pickle.

A checkpoint is two files, ``step-000000120.safetensors`` and ``step-000000120.json``. The JSON is written last and
holds the sha256 of the tensors, so a checkpoint exists exactly when its JSON does, and a damaged one is found when it
is read.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts

KIND, VERSION = "checkpoint", 1
State = Mapping[str, Any]
"""Nested mappings and lists of tensors and JSON values, keyed as torch keys its state dicts."""
_NAME = re.compile(r"step-\d{9}\.json")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A state to go on from: ``state`` is the nested value that was saved, tensors on the CPU."""

    step: int
    state: State
    path: Path


def save(folder: Path, step: int, state: State, identity: Mapping[str, Any], keep: int) -> Path:
    """Save ``state`` (nested dicts and lists of tensors and JSON values) and drop all but the ``keep`` newest
    checkpoints.

    ``identity`` says what is being trained (cell, recipe, data, seed): a checkpoint is only ever resumed by the same.
    Returns the sealed JSON's path. Raises OSError when the disk is full; older checkpoints are then as they were.
    """
    tensors: dict[str, Tensor] = {}
    values = _strip(state, "", tensors)
    stem = f"step-{step:09d}"
    content = safetensors.torch.save(tensors)
    artifacts.write_bytes(folder / f"{stem}.safetensors", content)
    path = folder / f"{stem}.json"
    artifacts.write_sealed(
        path,
        KIND,
        VERSION,
        {
            "step": step,
            "identity": dict(identity),
            "state": values,
            "tensors_sha256": artifacts.digest_of_file(folder / f"{stem}.safetensors"),
        },
    )
    if keep:
        for old in _all(folder)[:-keep]:
            old.unlink(missing_ok=True)
            old.with_suffix(".safetensors").unlink(missing_ok=True)
    return path


def load_latest(folder: Path, identity: Mapping[str, Any]) -> Checkpoint | None:
    """Return the newest intact checkpoint of this training, or None where there is none.

    Damaged checkpoints, and those of another training, are set aside under a name that tells, and logged.
    """
    for path in reversed(_all(folder)):
        tensors_path = path.with_suffix(".safetensors")
        try:
            content = artifacts.read_sealed(path, KIND, VERSION)
            if not tensors_path.exists() or artifacts.digest_of_file(tensors_path) != content["tensors_sha256"]:
                raise ArtifactError(f"{tensors_path}: missing or altered (its sha256 is not the one recorded)")
        except ArtifactError as error:
            _set_aside(path, "damaged", str(error))
            continue
        if artifacts.canonical_json(content["identity"]) != artifacts.canonical_json(dict(identity)):
            _set_aside(
                path,
                "foreign",
                f"{path}: belongs to another training ({_difference(content['identity'], identity)})",
            )
            continue
        try:
            tensors = safetensors.torch.load_file(tensors_path)
        except safetensors.SafetensorError as error:
            _set_aside(path, "damaged", f"{tensors_path}: holds no tensors ({error})")
            continue
        return Checkpoint(content["step"], _restore(content["state"], tensors), path)
    return None


def _all(folder: Path) -> list[Path]:
    """Return the checkpoints by step: of the names that ``save`` gives those that are sealed, or that damage has
    unsealed beside their tensors; no other file, which a user may have put there."""
    named = (path for path in folder.glob("step-*.json") if _NAME.fullmatch(path.name))
    return sorted(path for path in named if artifacts.is_sealed(path) or path.with_suffix(".safetensors").is_file())


def _set_aside(path: Path, why: str, message: str) -> None:
    moved = artifacts.set_aside(path, why)
    tensors_path = path.with_suffix(".safetensors")
    if tensors_path.exists():
        artifacts.set_aside(tensors_path, why)
    log.warning("%s; set aside as %s, training goes on from an older checkpoint or from scratch", message, moved.name)


def _difference(found: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    keys = sorted(key for key in {*found, *expected} if found.get(key) != expected.get(key))
    return "another " + ", ".join(keys)


def _strip(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Replace each tensor by a reference to its name, so that what is left is JSON."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        # optimizers key their state by integers, which JSON would turn into text
        pairs = [[key, _strip(item, f"{name}/{key}", tensors)] for key, item in value.items()]
        return {"mapping": pairs}
    if isinstance(value, list | tuple):
        return {"list": [_strip(item, f"{name}/{index}", tensors) for index, item in enumerate(value)]}
    assert value is None or isinstance(value, str | int | float | bool), f"{name}: {type(value)} cannot be saved"
    return {"value": value}


def _restore(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if "tensor" in value:
        return tensors[value["tensor"]]
    if "mapping" in value:
        return {key: _restore(item, tensors) for key, item in value["mapping"]}
    if "list" in value:
        return [_restore(item, tensors) for item in value["list"]]
    return value["value"]
