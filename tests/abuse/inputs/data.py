"""Bad data: images, text, idx and CIFAR files, and folders of them."""

import gzip
import io
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tests.abuse.inputs.cases import Case, Make, preparing


def photographs(folder: Path, classes: dict[str, int]) -> Path:
    """Write small images, all different, so many per class, and return their folder."""
    place = folder / "photographs"
    for label, (name, count) in enumerate(classes.items()):
        (place / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (16, 16), (number * 9 % 256, label * 40, 7)).save(place / name / f"{number}.png")
    return place


def image(name: str, content: bytes) -> Make:
    """Return the mistake of a folder of images in which one has this content."""

    def make(folder: Path) -> Sequence[str]:
        place = photographs(folder, {"cat": 6, "dog": 6})
        (place / "dog" / name).write_bytes(content)
        return preparing({"source": "imagefolder", "folder": str(place)})

    return make


def png(width: int, height: int, data: bytes = b"", kind: int = 2, depth: int = 8) -> bytes:
    """Return a PNG that claims this size and has this data."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def tiff(mode: str) -> bytes:
    """Return a TIFF in one of Pillow's modes."""
    file = io.BytesIO()
    Image.new(mode, (16, 16)).save(file, "TIFF")
    return file.getvalue()


def text(train: bytes, validation: bytes = b"b c\n", test: bytes = b"c d\n", **more: Any) -> Make:
    """Return the mistake of preparing three files with this content."""

    def make(folder: Path) -> Sequence[str]:
        for name, content in (("train", train), ("validation", validation), ("test", test)):
            (folder / f"{name}.txt").write_bytes(content)
        return preparing(
            {"source": "text", **{name: f"{name}.txt" for name in ("train", "validation", "test")}, **more}
        )

    return make


def idx(content: bytes, name: str = "train-images-idx3-ubyte") -> Make:
    """Return the mistake of a Fashion-MNIST folder with one file of this content."""

    def make(folder: Path) -> Sequence[str]:
        (folder / name).write_bytes(content)
        return preparing({"source": "fashion-mnist", "folder": "."})

    return make


def odd_image(kind: str) -> Make:
    """Return the mistake of something with an image's name that is no file."""

    def make(folder: Path) -> Sequence[str]:
        place = photographs(folder, {"cat": 6, "dog": 6})
        path = place / "dog" / f"{kind}.png"
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to({"device": "/dev/zero", "dangling": "nowhere", "loop": path.name}[kind])
        return preparing({"source": "imagefolder", "folder": str(place)})

    return make


def layout(classes: dict[str, int], **entry: Any) -> Make:
    """Return the mistake of a folder that holds these classes."""
    return lambda folder: preparing({"source": "imagefolder", "folder": str(photographs(folder, classes)), **entry})


def shared(folder: Path) -> Sequence[str]:
    """An image that is in both splits."""
    place = photographs(folder, {"train/cat": 4, "train/dog": 4, "val/cat": 0, "val/dog": 0})
    for name in ("cat", "dog"):
        Image.new("RGB", (16, 16), (250, 250, ord(name[0]))).save(place / "val" / name / "own.png")
    (place / "val" / "cat" / "again.png").write_bytes((place / "train" / "cat" / "0.png").read_bytes())
    return preparing({"source": "imagefolder", "folder": str(place)})


def data() -> Iterator[tuple[str, Case]]:
    """Images, text, idx and CIFAR files that are missing, damaged, foreign, too large or no files at all."""
    broken: dict[str, tuple[bytes, str]] = {
        "empty": (b"", "does not decode"),
        "text": (b"no image", "does not decode"),
        "half a PNG": (png(16, 16)[:40], "does not decode"),
        "a PNG without data": (png(16, 16), "does not decode"),
        "169 megapixels": (png(13_000, 13_000), "at most 64,000,000"),
        "4 gigapixels": (png(65_000, 65_000), "decompression bomb|at most 64,000,000"),
        "a pixel too many": (png(64_000_001, 1), "at most 64,000,000"),
        "no pixel": (png(0, 0), "does not decode"),
        "an odd depth": (png(16, 16, depth=7), "does not decode"),
        "32-bit integers": (tiff("I"), "32-bit integers, whose white is not known"),
        "floating point": (tiff("F"), "floating-point numbers, whose white is not known"),
        "LAB": (tiff("LAB"), "colour space LAB"),
        "an HTML page": (b"<html>404</html>", "does not decode"),
        "a zip": (b"PK\3\4" + bytes(100), "does not decode"),
        "a GIF's head": (b"GIF89a" + bytes(4), "does not decode"),
        "a JPEG's head": (b"\xff\xd8\xff\xe0" + bytes(20), "does not decode"),
        "a TIFF's head": (b"II*\0" + bytes(4), "does not decode"),
        "a WebP's head": (b"RIFF\4\0\0\0WEBP", "does not decode"),
    }
    for name, (content, says) in broken.items():
        yield f"image: {name}", Case(image("odd.png", content), f"odd\\.png: .*({says})")
    for kind in ("pipe", "folder", "device", "dangling", "loop"):
        yield f"image: a {kind}", Case(odd_image(kind), f"{kind}\\.png: is no regular file")
    yield "images: one class", Case(layout({"cat": 6}), "at least 2 are needed")
    yield "images: one image in a class", Case(layout({"cat": 6, "dog": 1}), "class 'dog' has one image")
    yield "images: an empty class", Case(layout({"cat": 6, "dog": 0}), "dog: holds no image")
    yield "images: train alone", Case(layout({"train/cat": 3, "train/dog": 3}), "neither val/ nor test/")
    yield (
        "images: other classes in val",
        Case(layout({"train/cat": 3, "train/dog": 3, "val/cat": 3, "val/cow": 3}), "do not hold the same classes"),
    )
    yield "images: in both splits", Case(shared, r"again\.png: the same image as train/cat/0\.png")
    for folder in ("nowhere", "params.yaml", "/dev/null", "/dev/zero"):
        for source in ("imagefolder", "cifar10", "fashion-mnist", "ptb"):
            make = _in_folder(source, folder)
            yield f"{source}: in {folder}", Case(make, "there is no such folder|neither|no such file")
    for key in ("image_size", "test_fraction", "color", "storage", "corrupt_images", "shared_images"):
        yield f"images: {key} = -1", Case(layout({"cat": 3, "dog": 3}, **{key: -1}), key)
        yield f"images: {key} = odd", Case(layout({"cat": 3, "dog": 3}, **{key: "odd"}), key)
    texts: dict[str, tuple[Make, str]] = {
        "empty": (text(b""), r"train\.txt: holds no word"),
        "blank": (text(b" \n\t\n"), r"train\.txt: holds no word"),
        "no word in validation": (text(b"a b\n", b"\n"), r"validation\.txt: holds no word"),
        "latin-1": (text("caf\u00e9".encode("latin-1")), r"train\.txt: not utf-8 text"),
        "utf-16": (text("a b c".encode("utf-16")), r"train\.txt: (not utf-8|holds NUL)"),
        "NUL": (text(b"a\0b\n"), "holds NUL characters"),
        "an image": (text(png(4, 4)), r"train\.txt: (not utf-8|holds NUL)"),
        "the word <eos>": (text(b"a <eos> b\n"), "holds the word <eos>"),
        "an unknown encoding": (text(b"a b\n", encoding="utf-99"), "encoding 'utf-99' is not known"),
        "no encoding of text": (text(b"a b\n", encoding="base64"), "encoding 'base64'"),
        "an encoding that is no text": (text(b"a b\n", encoding=3), "encoding"),
        "test as train": (text(b"a b c\n", b"b\n", b"a b c\n"), "the same text as"),
        "validation as train": (text(b"a b c\n", b"a b c\n"), "the same text as"),
        "a vocabulary of 1": (text(b"a b\n", vocabulary_size=1), "vocabulary_size"),
    }
    for name, (make, says) in texts.items():
        yield f"text: {name}", Case(make, says)
    for kind in ("pipe", "folder", "device", "missing"):
        yield f"text: a {kind}", Case(_odd_text(kind), "no such file|cannot be read")
    header = b"\0\0\x08\x03" + struct.pack(">III", 60_000, 28, 28)
    heads: dict[str, bytes] = {
        "empty": b"",
        "a header alone": header,
        "two images": b"\0\0\x08\x03" + struct.pack(">III", 2, 28, 28) + bytes(2 * 784),
        "floats": b"\0\0\x0d\x03" + struct.pack(">III", 1, 1, 1) + bytes(4),
        "255 dimensions": b"\0\0\x08\xff" + b"\xff" * 1020,
        "a huge size": b"\0\0\x08\x03" + b"\xff" * 12,
        "text": b"hello",
    }
    for name, content in heads.items():
        yield f"idx: {name}", Case(idx(content), "train-")
        yield f"idx, gzipped: {name}", Case(idx(gzip.compress(content), "train-images-idx3-ubyte.gz"), "train-")
    yield "idx: no gzip", Case(idx(b"hello", "train-images-idx3-ubyte.gz"), "truncated or no gzip file")
    yield "idx: half a gzip", Case(idx(gzip.compress(bytes(1000))[:20], "train-images-idx3-ubyte.gz"), "truncated")
    for name in ("data_batch_1", "data_batch_1.bin"):
        yield f"CIFAR: a false {name}", Case(_cifar(name), "is not CIFAR-10's published file")


def _in_folder(source: str, folder: str) -> Make:
    def make(here: Path) -> Sequence[str]:
        (here / "params.yaml").write_text("{}")
        return preparing({"source": source, "folder": folder}, "check")

    return make


def _odd_text(kind: str) -> Make:
    def make(folder: Path) -> Sequence[str]:
        names = {"pipe": "pipe.txt", "folder": ".", "device": "/dev/zero", "missing": "missing.txt"}
        if kind == "pipe":
            os.mkfifo(folder / "pipe.txt")
        for name in ("validation", "test"):
            (folder / f"{name}.txt").write_text(f"{name}\n")
        return preparing({"source": "text", "train": names[kind], "validation": "validation.txt", "test": "test.txt"})

    return make


def _cifar(name: str) -> Make:
    def make(folder: Path) -> Sequence[str]:
        (folder / name).write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
        return preparing({"source": "cifar10", "folder": "."})

    return make
