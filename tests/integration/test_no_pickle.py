"""No artifact is ever unpickled: a crafted file that would run code when it is, is refused, and runs nothing."""

import ast
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts

SOURCES = Path(__file__).parents[2] / "src" / "autoshrink"


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Return the folder that appears when something is unpickled."""
    return tmp_path / "pwned"


def as_torch_would(evil: Evil) -> bytes:
    """Return a file in torch.save's own zip form whose pickle is the crafted one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(evil))
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


FORMS = {"pickle": lambda evil: pickle.dumps(evil), "torch": as_torch_would}


def test_the_crafted_file_is_dangerous(mark: Path) -> None:
    """The crafted file does run code where it is unpickled, so that the other tests mean something."""
    pickle.loads(pickle.dumps(Evil(mark)))
    assert mark.exists()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("package", ["vision", "language"])
def test_crafted_weights_are_refused(tmp_path: Path, mark: Path, package: str, form: str) -> None:
    """Weights that are a pickle in disguise are refused in one line."""
    import importlib

    loading = importlib.import_module(f"autoshrink.tasks.{package}.loading")
    (tmp_path / "model").mkdir()
    weights = tmp_path / "model/model.safetensors"
    weights.write_bytes(FORMS[form](Evil(mark)))
    (tmp_path / "model/model.json").write_bytes(weights.read_bytes())
    with pytest.raises(UserError) as refused:
        loading.load_model(tmp_path / "model")
    assert len(str(refused.value).splitlines()) == 1
    assert not mark.exists()


@pytest.mark.parametrize("form", FORMS)
def test_crafted_checkpoint_is_set_aside(tmp_path: Path, mark: Path, form: str) -> None:
    """A checkpoint whose tensors are a pickle, digest and seal in order, is set aside; training starts anew."""
    from autoshrink.files import checkpoints

    content = FORMS[form](Evil(mark))
    (tmp_path / "step-000000001.safetensors").write_bytes(content)
    digest = artifacts.digest_of_file(tmp_path / "step-000000001.safetensors")
    body = {"step": 1, "identity": {}, "state": {"mapping": []}, "tensors_sha256": digest}
    artifacts.write_sealed(tmp_path / "step-000000001.json", checkpoints.KIND, checkpoints.VERSION, body)
    assert checkpoints.load_latest(tmp_path, {}) is None
    assert (tmp_path / "step-000000001.safetensors.damaged-1").read_bytes() == content
    assert not mark.exists()


def test_crafted_array_is_refused(tmp_path: Path, mark: Path) -> None:
    """A data set's array that holds pickled objects is refused, though its manifest vouches for it."""
    from autoshrink.tasks.vision import data
    from tests.unit.tasks import made_manifests

    array = tmp_path / "train_images.npy"
    np.save(array, np.array([Evil(mark)], dtype=object), allow_pickle=True)
    np.save(tmp_path / "train_labels.npy", np.zeros(1, np.int64))
    files = {name: artifacts.digest_of_file(tmp_path / name) for name in ("train_images.npy", "train_labels.npy")}
    made_manifests.images(files=files).write(tmp_path / "manifest.json")
    with pytest.raises(ArtifactError, match="is no plain array") as refused:
        data.load(tmp_path).split("train")
    assert len(str(refused.value).splitlines()) == 1
    assert not mark.exists()


@pytest.mark.parametrize("form", FORMS)
def test_crafted_json_is_refused(tmp_path: Path, mark: Path, form: str) -> None:
    """A pickle in the place of a sealed JSON file is refused."""
    path = tmp_path / "round.json"
    path.write_bytes(FORMS[form](Evil(mark)))
    with pytest.raises(ArtifactError):
        artifacts.read_sealed(path, "round", 1)
    assert not mark.exists()


def test_no_source_unpickles() -> None:
    """No source file imports pickle or its kin, or calls a loader that could unpickle without forbidding it."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            # CIFAR-10's official python version is a pickle: raw data, read only where its md5 is the published one
            if path.name != "cifar.py":
                assert not {"pickle", "cloudpickle", "dill", "joblib", "shelve"} & set(names), f"{path}: {names}"
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load", "numpy.load"):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                safe = given.get("weights_only") == "True" or given.get("allow_pickle") == "False"
                assert safe, f"{path}:{node.lineno}: {ast.unparse(node)}"
