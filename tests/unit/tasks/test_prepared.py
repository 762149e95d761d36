"""Fuzzing of the readers of prepared data: whatever the files hold, they are what was prepared or one line says not.

Files are fuzzed behind a manifest that vouches for them, for one that does not match is refused before it is read.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.records.manifest import Manifest
from autoshrink.tasks.address import MANIFEST
from autoshrink.tasks.language import data as texts
from autoshrink.tasks.language.records import TextManifest
from autoshrink.tasks.vision import data as images
from autoshrink.tasks.vision.records import ImageManifest
from tests.unit.tasks import made_manifests

FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SHAPE, CLASSES, WORDS = (2, 2, 1), 3, 4
LOADERS: dict[str, Callable[[Path], Any]] = {"images": images.load, "text": texts.load}


def saved(array: Any) -> bytes:
    """Return what np.save writes."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def arrays(*kinds: Any) -> st.SearchStrategy[bytes]:
    """Return .npy files of small arrays, of the right type and shape or not, perhaps cut or with a bit flipped."""
    shapes = arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3) | st.just((3, *SHAPE))
    whole = arrays_of.arrays(st.sampled_from(kinds), shapes).map(saved)
    return whole | st.tuples(whole, st.integers(0, 200)).map(lambda of: of[0][: of[1]])


def prepared(folder: Path, manifest: Manifest, files: dict[str, bytes]) -> Path:
    """Write these files and a manifest that vouches for them."""
    for name, content in files.items():
        artifacts.write_bytes(folder / name, content)
    digests = {name: artifacts.digest_of_file(folder / name) for name in files}
    manifest.model_copy(update={"files": digests}).write(folder / MANIFEST)
    return folder


def read_or_named(read: Callable[[], Any], folder: Path) -> Any:
    """Read; all that may go wrong is one line that names a file in the folder."""
    try:
        return read()
    except ArtifactError as error:
        assert str(error).startswith(str(folder)) and "\n" not in str(error) and len(str(error)) < 1000
        return None


@FUZZED
@given(
    pixels=arrays(np.uint8, np.float32, np.int64),
    labels=arrays(np.int64, np.uint8, np.float64) | st.just(saved([0, 2, 1])),
)
def test_any_arrays_are_images_and_their_labels_or_one_line(pixels: bytes, labels: bytes, tmp_path: Path) -> None:
    manifest = made_manifests.images(1, 1, CLASSES, shape=SHAPE)
    folder = prepared(tmp_path, manifest, {"train_images.npy": pixels, "train_labels.npy": labels})
    found = read_or_named(lambda: images.load(folder).split("train"), folder)
    if found is not None:
        assert found.images_NHWC.dtype == np.uint8 and found.images_NHWC.shape[1:] == SHAPE
        assert len(found.labels_N) == len(found.images_NHWC) and set(found.labels_N.tolist()) <= set(range(CLASSES))


@FUZZED
@given(
    content=st.binary(max_size=60)
    | st.lists(
        st.tuples(st.just("0" * 64), st.integers(-2, 4).map(str) | st.text(max_size=4), st.text(max_size=9)), max_size=4
    ).map(lambda rows: "".join("\t".join(row) + "\n" for row in rows).encode(errors="surrogatepass"))
)
def test_any_listing_is_files_with_labels_or_one_line(content: bytes, tmp_path: Path) -> None:
    manifest = made_manifests.images(1, 1, CLASSES, storage="files", shape=None)
    folder = prepared(tmp_path, manifest, {"train.tsv": content})
    found = read_or_named(lambda: images.load(folder).listing("train"), folder)
    assert found is None or all(0 <= file.label < CLASSES for file in found)


@FUZZED
@given(tokens=arrays(np.int32, np.int64, np.float32), words=st.binary(max_size=40) | st.just(b"<eos>\na\nb\nc\n"))
def test_any_text_is_tokens_of_its_vocabulary_or_one_line(tokens: bytes, words: bytes, tmp_path: Path) -> None:
    manifest = made_manifests.text(1, 1, 1, vocabulary=WORDS)
    folder = prepared(tmp_path, manifest, {"train.npy": tokens, texts.VOCABULARY: words})
    found = texts.load(folder)
    vocabulary = read_or_named(lambda: found.vocabulary, folder)
    assert vocabulary is None or (len(vocabulary) == WORDS and vocabulary[found.end_of_line] == "<eos>")
    train = read_or_named(lambda: found.split("train"), folder)
    assert train is None or (train.dtype == np.int32 and train.ndim == 1 and ((train >= 0) & (train < WORDS)).all())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("kind", LOADERS)
@FUZZED
@given(data=st.data())
def test_any_manifest_is_a_data_set_or_one_line(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    """Bytes that are none, and sealed manifests in which any field is replaced, lost or of the other task."""
    path = tmp_path / MANIFEST
    if data.draw(st.booleans()):
        artifacts.write_bytes(path, data.draw(st.binary(max_size=60)))
    else:
        manifest = made_manifests.images(1, 1) if data.draw(st.booleans()) else made_manifests.text(1, 1, 1)
        content = manifest.to_json()
        key = data.draw(st.sampled_from(sorted(content)))
        content[key] = data.draw(JSON)
        if data.draw(st.booleans()):
            del content[key]
        artifacts.write_sealed(path, Manifest.KIND, Manifest.VERSION, content)
    found = read_or_named(lambda: LOADERS[kind](tmp_path), tmp_path)
    assert found is None or isinstance(found.manifest, ImageManifest if kind == "images" else TextManifest)


def test_what_was_prepared_reads_back(tmp_path: Path) -> None:
    """The fuzzers' own good files are good: they can fail."""
    labels, pixels = np.array([0, 2, 1]), np.zeros((3, *SHAPE), np.uint8)
    manifest = made_manifests.images(1, 1, CLASSES, shape=SHAPE)
    prepared(tmp_path, manifest, {"train_images.npy": saved(pixels), "train_labels.npy": saved(labels)})
    assert images.load(tmp_path).split("train").labels_N.tolist() == [0, 2, 1]
    for bad in (saved(np.array([0, 3, 1])), saved(np.array([0, 1]))):
        prepared(tmp_path, manifest, {"train_images.npy": saved(pixels), "train_labels.npy": bad})
        with pytest.raises(ArtifactError, match=r"train_labels\.npy: does not hold a label below 3 for each image"):
            images.load(tmp_path).split("train")
