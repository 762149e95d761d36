"""What people and attackers hand in: a table of bad inputs, each with the words that must stand in its one line.

``TABLE`` maps a name to a ``Case``: ``make`` puts the mistake into an empty folder and returns the command's words,
``says`` is a regular expression for the line. Each must end with a status other than 0, in few lines, without a
traceback, within ``MOST_SECONDS`` and ``MOST_BYTES``. ``attempt`` carries one out in a process of its own and returns
what is wrong with how it ended.
"""

import contextlib
import gzip
import importlib
import io
import json
import os
import re
import signal
import struct
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import safetensors.torch
import torch
import yaml
from PIL import Image

from autoshrink.cells.cell import INPUT, Cell
from autoshrink.cli import main
from autoshrink.cli.root import VERBS
from autoshrink.files import artifacts

ROOT = Path(__file__).resolve().parents[2]
MOST_SECONDS, MOST_BYTES, MOST_LINES = 10.0, 10**9, 5
DEFAULTS = str(ROOT / "params.default.yaml")

Make = Callable[[Path], Sequence[str]]


@dataclass(frozen=True)
class Case:
    """A bad input, and what must be said of it."""

    make: Make
    says: str


def attempt(case: Case, folder: Path) -> list[str]:
    """Carry a case out in ``folder`` and return what is wrong with how it ended; empty where all is as it must be.

    The command runs in a fork of this process, which has imported everything once. Its memory counts this process's.
    """
    with contextlib.chdir(folder):
        words = list(case.make(folder))
    with tempfile.TemporaryFile() as said:
        start = time.monotonic()
        process = os.fork()
        if process == 0:
            _run(words, folder, said.fileno())
        status, usage = _wait(process, start + 2 * MOST_SECONDS)
        seconds = time.monotonic() - start
        said.seek(0)
        text = said.read().decode(errors="replace")
    if status is None:
        return [f"did not end within {2 * MOST_SECONDS:.0f} s"]
    wrong = []
    lines = [line for line in text.splitlines() if line.strip()]
    if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0:
        wrong.append(f"status {os.waitstatus_to_exitcode(status)}")
    if "Traceback" in text:
        wrong.append("a traceback")
    if not 0 < len(lines) <= MOST_LINES:
        wrong.append(f"{len(lines)} lines")
    if not re.search(case.says, text):
        wrong.append(f"does not say {case.says!r}: {' | '.join(lines)[-300:]}")
    if seconds > MOST_SECONDS:
        wrong.append(f"took {seconds:.1f} s")
    if usage.ru_maxrss * 1024 > MOST_BYTES:
        wrong.append(f"took {usage.ru_maxrss * 1024 / 1e9:.1f} GB")
    return wrong


def preload() -> None:
    """Import what the commands import when they are asked for, so that a fork need not."""
    for name in [module for module, _ in VERBS.values()] + _MODULES:
        importlib.import_module(f"autoshrink.{name}" if not name.startswith("autoshrink") else name)


_MODULES = [
    *("search.rounds", "tasks.availability", "tasks.rehearsal", "tasks.sufficiency", "evaluation.engine"),
    *("inference.models", "tasks.vision.deployment", "tasks.language.deployment", "cells.released", "costs.counting"),
    *("tasks.vision.data", "tasks.vision.network", "tasks.vision.spec", "tasks.vision.loading"),
    *("tasks.language.data", "tasks.language.network", "tasks.language.spec", "tasks.language.loading"),
]


def _run(words: list[str], folder: Path, said: int) -> NoReturn:
    """Be the command line in the fork: what goes to stderr goes to ``said``."""
    status = 70
    try:
        os.chdir(folder)
        os.dup2(said, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        main(words)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _wait(process: int, until: float) -> tuple[int | None, Any]:
    """Return a child's status, None where it had to be killed, and what it used."""
    while True:
        ended, status, usage = os.wait4(process, os.WNOHANG)
        if ended:
            return status, usage
        if time.monotonic() > until:
            os.kill(process, signal.SIGKILL)
            return None, os.wait4(process, 0)[2]
        time.sleep(0.01)


def check(*words: str) -> list[str]:
    """Return the words that check the defaults and more."""
    return ["check", "--params", DEFAULTS, *words]


def setting(value: str) -> Make:
    """Return the mistake of one value changed on the command line."""
    return lambda folder: check("--set", value)


def overlay(content: str | bytes) -> Make:
    """Return the mistake of an overlay with this content."""

    def make(folder: Path) -> Sequence[str]:
        (folder / "mine.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
        return check("--params", "mine.yaml")

    return make


def preparing(entry: dict[str, Any], verb: str = "prepare") -> Sequence[str]:
    """Write an overlay with this entry, called mine, used by its task, and return the words that prepare it."""
    task = "rnn" if entry["source"] in ("text", "ptb", "sotu") else "cnn"
    use = {section: {task: {"dataset": "mine"}} for section in ("proxy", "training")}
    Path("mine.yaml").write_text(yaml.safe_dump({"datasets": {"mine": entry}, "tasks": [task], **use}))
    target = ["mine", "--out", "data/mine"] if verb == "prepare" else []
    return [verb, *target, "--params", DEFAULTS, "--params", "mine.yaml"]


# parameters


def parameters() -> Iterator[tuple[str, Case]]:
    """Values out of range, of the wrong type, unknown, contradicting; and files that are no parameters."""
    numbers = {
        "seed": ("-1", "2.5", "x", "true", "null", "[1]", str(2**64)),
        "search.cnn.k": ("0", "-3", "1.5", "many", "null"),
        "search.cnn.nodes": ("1", "0", "100000", "2.5", "three"),
        "search.rnn.keep_fraction": ("1.5", "-0.1", "half", "0.99", ".inf", ".nan"),
        "search.slots_per_job": ("0", "-1", "x"),
        "proxy.cnn.train_per_class": ("0", "-5", "1.5", "all"),
        "proxy.cnn.training.epochs": ("0", "-1", "x", "1e3.5"),
        "proxy.cnn.training.learning_rate": ("0", "-1", ".inf", ".nan", "fast", "'1e-3'"),
        "proxy.rnn.network.hidden": ("0", "-1", "x"),
        "training.cnn.batch_size": ("0", "-1", "2.5", "x"),
        "training.cnn.epochs": ("0", "-2", "x"),
        "training.cnn.label_smoothing": ("1", "-0.1", "x"),
        "training.cnn.ema_decay": ("1", "-1", "x"),
        "training.cnn.evaluation_crop": ("0", "2", "x"),
        "training.cnn.image_size": ("1", "100000", "x"),
        "training.cnn.augmentation.rotation": ("-1", "361", "x"),
        "training.cnn.augmentation.horizontal_flip": ("-0.1", "1.1", "x"),
        "training.cnn.augmentation.color_jitter": ("-1", "2", "x"),
        "training.cnn.augmentation.erase": ("-1", "2", "x"),
        "training.rnn.epochs": ("0", "-1", "x"),
        "training.rnn.batch_size": ("0", "x"),
        "compute.threads": ("0", "-1", "x", "1.5"),
    }
    for key, values in numbers.items():
        for value in values:
            yield f"{key} = {value}", Case(setting(f"{key}={value}"), re.escape(key.rpartition(".")[2]))
    words = {
        "tasks": ("[]", "[cn]", "[cnn, cnn]", "cnn", "{}"),
        "search.cnn.operators": ("[]", "[conv_9x9]", "conv_1x1", "[1]"),
        "search.cnn.strategy": ("shrnk", "1", "''"),
        "search.seeds": ("[]", "[1, 1]", "[-1]", "[x]", "0"),
        "proxy.cnn.dataset": ("mnist", "sotu", "1"),
        "training.rnn.dataset": ("digits", "ptbb"),
        "training.cnn.optimizer": ("adamww", "1"),
        "training.cnn.schedule": ("cosin", "[]"),
        "compute.device": ("gpu", "cpu0"),
        "compute.deterministic": ("maybe", "1"),
        "paths.results": ("''", "/", "..", "[]", "1", '"a\\0b"'),
        "paths.data": ("''", "/", '"a\\nb"'),
        "paths.store": ("''", "/"),
        "training.cnn.augmentation.rand_augment": ("nonsense", "rand-x9", "rand-m9"),
        "training.cnn.augmentation.crop_area": ("[1]", "[0, 2]", "x", "[0.2, 1.0]"),
        "study.seeds": ("[1]", "[1, 1]"),
        "study.budgets": ("[0.5, 0.5]", "[]"),
    }
    for key, values in words.items():
        for value in values:
            yield f"{key} = {value}", Case(setting(f"{key}={value}"), re.escape(key.partition(".")[2] or key))
    for key, meant in {
        "serch.cnn.k": "search",
        "search.cnn.noddes": "nodes",
        "training.cnn.learning_rat": "learning_rate",
        "proxy.cnn.training.epoch": "epochs",
        "datasets.digits.test_per_clas": "test_per_class",
        "compute.thread": "threads",
        "paths.result": "results",
    }.items():
        yield f"misspelt {key}", Case(setting(f"{key}=3"), f"did you mean '{meant}'\\?")
    for value in (
        "",
        "=",
        "=3",
        "search.cnn.k",
        "search..k=3",
        "a" * 50 + ".b" * 5000 + "=1",
        "search.cnn.k=[",
        "seed=*a",
    ):
        yield f"--set {value[:30]!r}", Case(setting(value), "--set|expected")
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    files: dict[str, tuple[str | bytes, str]] = {
        "a list": ("- a\n- b\n", "expected keys and values, found list"),
        "a word": ("hello", "expected keys and values, found str"),
        "a number": ("3", "expected keys and values, found int"),
        "an open bracket": ("search: [", "not valid YAML"),
        "a tab": ("search:\n\tcnn: 1", "not valid YAML"),
        "two documents": ("a: 1\n---\nb: 2\n", "not valid YAML"),
        "a key twice": ("seed: 1\nseed: 2\n", "the key 'seed' stands in line 1 already"),
        "a key twice, deep": ("search: {cnn: {k: 1, k: 2}}", "the key 'k' stands"),
        "an alias bomb": (bomb, "more than 100,000 values"),
        "an alias in itself": ("search: &a {cnn: *a}", "holds itself"),
        "deep brackets": ("[" * 100_000, "more than 32 levels"),
        "deep braces": ("{a: " * 100_000, "more than 32 levels"),
        "deep dashes": ("- " * 100_000, "more than 32 levels"),
        "a huge number": ("seed: " + "9" * 5000, "digits"),
        "a Python object": ("seed: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        "a date": ("seed: 2020-01-01", "date"),
        "a number as key": ("paths: {1: x}", "the key 1 is int"),
        "a list as key": ("? [1]\n: 2\n", "a key that is a mapping or a list"),
        "latin-1": ("paths: {data: caf\u00e9}".encode("latin-1"), "UTF-8"),
        "utf-16": ("seed: 3".encode("utf-16"), "UTF-8"),
        "binary": (bytes(range(256)), "UTF-8|not valid YAML"),
        "NUL": (b"seed: 3\0", "not valid YAML"),
        "a set": ("tasks: !!set {cnn, rnn}", "tasks"),
        "another kind of source": ("datasets: {mine: {source: web}}", "web"),
        "a source misspelt": ("datasets: {mine: {source: imagefoldr, folder: x}}", "did you mean 'imagefolder'"),
        "a key of another source": ("datasets: {digits: {folder: x}}", "folder"),
        "no source": ("datasets: {mine: {folder: x}}", "source"),
        "an empty entry": ("datasets: {mine: {}}", "source"),
        "an entry that is text": ("datasets: {mine: photographs}", "mine"),
        "three equal files": (
            "datasets: {mine: {source: text, train: a, validation: a, test: a}}",
            "three different files",
        ),
        "stages of two lengths": ("proxy: {cnn: {network: {stage_pools: [1, 2]}}}", "one entry per stage"),
        "a crop that shrinks": (
            "training: {cnn: {augmentation: {crop_area: [0.9, 0.1]}}}",
            "crop_area needs the least",
        ),
        "a long warm-up": ("training: {cnn: {warmup_epochs: 1000}}", "warmup_epochs"),
        "200 seeds and one": (f"search: {{seeds: {list(range(201))}}}", "at most 200 items"),
        "3,000 seeds": (f"search: {{seeds: {list(range(3000))}}}", "at most 200 items"),
        "a name with a blank": ("datasets: {'a b': {source: digits}}", "a b"),
        "a name that is a command": ("datasets: {'x; touch pwned;': {source: digits}}", "touch pwned"),
        "a name that climbs": ("datasets: {'..': {source: digits}}", r"\.\."),
        "a name that is an option": ("datasets: {'--help': {source: digits}}", "--help"),
    }
    for name, (content, says) in files.items():
        yield f"overlay: {name}", Case(overlay(content), says)
    yield "no parameters", Case(lambda folder: ["check", "--params", "none.yaml"], "there is no such file")
    yield "a folder as parameters", Case(lambda folder: ["check", "--params", "/"], "directory|folder")
    yield "a device as parameters", Case(lambda folder: ["check", "--params", "/dev/zero"], "pipe|device")
    yield "a pipe as parameters", Case(_pipe_parameters, "pipe|device")
    yield "parameters of a gigabyte", Case(_large_parameters, "accepted: at most 4,000,000")


def _pipe_parameters(folder: Path) -> Sequence[str]:
    os.mkfifo(folder / "pipe.yaml")
    return ["check", "--params", "pipe.yaml"]


def _large_parameters(folder: Path) -> Sequence[str]:
    with (folder / "large.yaml").open("wb") as file:
        file.truncate(10**9)
    return ["check", "--params", "large.yaml"]


# data


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
        Image.new("RGB", (16, 16), (250, 250, len(name))).save(place / "val" / name / "own.png")
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
    yield "images: one image in a class", Case(layout({"cat": 6, "dog": 1}), "dog: has only 1")
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


# cells


def cell(value: Any, kind: str = "cell") -> Make:
    """Return the mistake of a sealed file of this kind that holds this for a cell."""

    def make(folder: Path) -> Sequence[str]:
        artifacts.write_sealed(folder / "cell.json", kind, 1, {"cell": value, "state": {"cell": value}})
        return ["cost", "--preset", "paper", "--cell", "cell.json"]

    return make


def cell_file(content: bytes) -> Make:
    """Return the mistake of a cell file with these bytes."""

    def make(folder: Path) -> Sequence[str]:
        (folder / "cell.json").write_bytes(content)
        return ["cost", "--preset", "paper", "--cell", "cell.json"]

    return make


def described(operators: Sequence[str], edges: Sequence[Sequence[Any]], first: str = INPUT) -> dict[str, Any]:
    """Return a cell's JSON, right or wrong."""
    names = [first, *operators]
    return {"nodes": [{"id": node, "operator": name} for node, name in enumerate(names)], "edges": [*map(list, edges)]}


def cells() -> Iterator[tuple[str, Case]]:
    """Cells that are none, and files that hold none."""
    one = ["conv_1x1"]
    whole = Cell.complete(["conv_1x1", "conv_1x1"])
    wrong: dict[str, tuple[Any, str]] = {
        "null": (None, "not a cell|holds no cell"),
        "a number": (3, "not a cell"),
        "a list": ([], "not a cell"),
        "no nodes": ({"nodes": [], "edges": []}, "starts with node 0"),
        "no edges": ({"nodes": []}, "not a cell"),
        "no input": (described(one, [(0, 1)], "conv_1x1"), "starts with node 0"),
        "two inputs": (described([INPUT], [(0, 1)]), "only node 0"),
        "a cycle": (described([*one, *one], [(0, 1), (1, 2), (2, 1)]), "goes backwards"),
        "a loop": (described(one, [(0, 1), (1, 1)]), "goes backwards"),
        "an edge to nowhere": (described(one, [(0, 1), (0, 5)]), "touches a node that the cell lacks"),
        "an edge twice": (described(one, [(0, 1), (0, 1)]), "without repetition"),
        "an edge of three": (described(one, [(0, 1, 2)]), "not a cell"),
        "an edge of text": (described(one, [("0", "1")]), "not a cell"),
        "an edge of floats": (described(one, [(0.0, 1.0)]), "not a cell"),
        "an edge of booleans": (described(one, [(False, True)]), "not a cell"),
        "an unconnected node": (described([*one, *one], [(0, 1)]), "no path leads from node 0 to node 2"),
        "an unconnected pair": (described([*one, *one, *one], [(0, 1), (2, 3)]), "no path leads from node 0"),
        "an unknown operator": (described(["conv_9x9"], [(0, 1)]), "conv_9x9"),
        "operators of both tasks": (described(["conv_1x1", "relu"], [(0, 1), (1, 2)]), "conv_1x1|relu"),
        "an operator that forges a key": (described(["relu(0);tanh"], [(0, 1)]), "is no name"),
        "an operator that is empty": (described([""], [(0, 1)]), "is no name"),
        "65 nodes": (described(one * 64, [(node, node + 1) for node in range(64)]), "accepted: at most 64"),
        "100,000 nodes": (described(one * 100_000, []), "accepted: at most 64"),
        "descending nodes": ({"nodes": list(reversed(whole.to_json()["nodes"])), "edges": []}, "starts with|ascend"),
        "a node without operator": ({"nodes": [{"id": 0}], "edges": []}, "not a cell"),
        "a node of text": ({"nodes": ["0"], "edges": []}, "not a cell"),
    }
    for name, (value, says) in wrong.items():
        yield f"cell: {name}", Case(cell(value), f"cell\\.json.*({says})|{says}")
    for kind in ("best", "round"):
        for name in ("null", "a number", "a cycle", "an unconnected node"):
            yield f"{kind}: {name}", Case(cell(wrong[name][0], kind), "cell\\.json")
    for kind in ("model", "metrics", "dataset", "timing", "nonsense"):
        yield f"a {kind} as a cell", Case(cell(whole.to_json(), kind), "holds no cell|cell\\.json")
    sealed = artifacts.sealed_bytes("cell", 1, {"cell": whole.to_json()})
    raw: dict[str, bytes] = {
        "empty": b"",
        "text": b"hello",
        "half": sealed[: len(sealed) // 2],
        "a flipped byte": sealed.replace(b"conv", b"konv", 1),
        "another version": artifacts.sealed_bytes("cell", 9, {"cell": whole.to_json()}),
        "unsealed": json.dumps({"kind": "cell", "version": 1, "cell": whole.to_json()}).encode(),
        "deep": b"[" * 100_000,
        "deep mappings": b'{"a":' * 100_000,
        "binary": bytes(range(256)),
        "NaN": b'{"kind": "cell", "version": 1, "cell": NaN}',
        "a huge number": b'{"kind": "cell", "version": ' + b"9" * 10_000 + b"}",
        "half a surrogate": b'{"kind": "cell", "version": 1, "x": "\\ud800"}',
        "a list": b"[]",
        "null": b"null",
    }
    for name, content in raw.items():
        yield f"cell file: {name}", Case(cell_file(content), "cell\\.json")
    for name in ("shrinkcn-a", "shrinkcnn-z", "", "/", "/dev/zero", "nowhere.json", "../..", "--help me"):
        yield (
            f"--cell {name!r}",
            Case(lambda folder, name=name: ["cost", f"--cell={name}"], "neither a file nor a released"),
        )


# models


def model(weights: bytes, **description: Any) -> Make:
    """Return the mistake of predicting by a model with these weights, vouched for."""

    def make(folder: Path) -> Sequence[str]:
        (folder / "model").mkdir()
        (folder / "model" / "model.safetensors").write_bytes(weights)
        digest = artifacts.digest_of_file(folder / "model" / "model.safetensors")
        values = {"task": "cnn", "weights_sha256": digest, **_DESCRIPTION, **description}
        kept = {key: value for key, value in values.items() if value is not ...}
        artifacts.write_sealed(folder / "model" / "model.json", "model", 1, kept)
        Image.new("RGB", (8, 8)).save(folder / "image.png")
        return ["predict", "model", "image.png"]

    return make


_DESCRIPTION: dict[str, Any] = {
    "cell": described(["conv_1x1"], [(0, 1)]),
    "network": {},
    "channels": 1,
    "classes": ["a", "b"],
    "mean": [0.5],
    "deviation": [0.5],
    "image_size": [8, 8],
    "evaluation_crop": 1.0,
    "origin": {
        "dataset": "digits",
        "dataset_digest": "0" * 64,
        "storage": "array",
        "recipe": {},
        "source": "digits",
        "seed": 1,
    },
}


def models() -> Iterator[tuple[str, Case]]:
    """Weights with bad headers, of other types and values; descriptions that lack or contradict something."""
    good = safetensors.torch.save({"weight": torch.ones(3)})

    def header(text: bytes, body: bytes = b"") -> bytes:
        return struct.pack("<Q", len(text)) + text + body

    weights: dict[str, tuple[bytes, str]] = {
        "empty": (b"", "is no safetensors file"),
        "text": (b"hello", "is no safetensors file"),
        "a huge header": (struct.pack("<Q", 2**60) + b"{}", "is no safetensors file"),
        "a list for a header": (header(b"[]"), "is no safetensors file"),
        "deep brackets": (header(b"[" * 10_000), "is no safetensors file"),
        "an unknown type": (
            header(b'{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
            "is no safetensors file",
        ),
        "a wrong shape": (
            header(b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}', bytes(4)),
            "is no safetensors file",
        ),
        "half": (good[:-4], "is no safetensors file"),
        "a pickle": (b"\x80\x04cos\nsystem\n", "is no safetensors file"),
        "another network's": (good, "does not fit model\\.json"),
        "float16": (safetensors.torch.save({"weight": torch.ones(3).half()}), "is float16"),
        "bfloat16": (safetensors.torch.save({"weight": torch.ones(3).bfloat16()}), "is bfloat16"),
        "float64": (safetensors.torch.save({"weight": torch.ones(3).double()}), "is float64"),
        "NaN": (safetensors.torch.save({"weight": torch.tensor([torch.nan])}), "NaN or infinite"),
        "infinity": (safetensors.torch.save({"weight": torch.tensor([torch.inf])}), "NaN or infinite"),
    }
    for name, (content, says) in weights.items():
        yield f"weights: {name}", Case(model(content), says)
    for key in ("cell", "network", "channels", "classes", "mean", "image_size", "origin"):
        yield f"model without {key}", Case(model(good, **{key: ...}), "model\\.json")
    yield "model without its digest", Case(model(good, weights_sha256=...), "holds no weights_sha256")
    yield "model of another digest", Case(model(good, weights_sha256="0" * 64), "missing or altered")
    yield "model without a task", Case(model(good, task=...), "task")
    yield "model of an unknown task", Case(model(good, task="gan"), "task")
    yield "model with an unknown key", Case(model(good, network={"magic": 1}), r"network\.magic")
    yield "no model", Case(lambda folder: ["predict", ".", "."], "holds no trained model")
    yield "nothing to predict", Case(lambda folder: ["predict", ".", "nothing.png"], "there is no such file or folder")


# command line


def command_line() -> Iterator[tuple[str, Case]]:
    """Verbs, options and arguments that are none."""
    lines: dict[str, tuple[list[str], str]] = {
        "chek": (["chek"], "did you mean 'check'"),
        "trian": (["trian"], "did you mean 'train'"),
        "a verb in capitals": (["CHECK"], "no such verb"),
        "an empty verb": ([""], "no such verb"),
        "an unknown option": (["check", "--parms", "x"], "(?i)no such option"),
        "an option without a value": (["check", "--params"], "(?i)requires an argument"),
        "an argument too many": (["check", "more"], "(?i)unexpected extra argument"),
        "prepare nothing": (["prepare", "--out", "x"], "(?i)missing argument"),
        "prepare into nothing": (["prepare", "digits", "--out"], "(?i)requires an argument"),
        "prepare the unknown": (["prepare", "digit", "--params", DEFAULTS, "--out", "x"], "did you mean 'digits'"),
        "an unknown task": (["start", "--task", "gan", "--search", "shrink-0", "--out", "x"], "gan"),
        "a search without a seed": (
            ["start", "--params", DEFAULTS, "--task", "cnn", "--search", "shrink", "--out", "x"],
            "expected STRATEGY-SEED",
        ),
        "an unknown strategy": (
            ["start", "--params", DEFAULTS, "--task", "cnn", "--search", "shrnk-0", "--out", "x"],
            "shrnk",
        ),
        "cost of nothing": (["cost"], "(?i)missing option"),
        "an unknown preset": (["cost", "--cell", "shrinkcnn-a", "--preset", "papr"], "papr"),
        "export of nothing": (["export", ".", "--format", "onnx"], "holds no trained model"),
        "export to the unknown": (["export", ".", "--format", "tflite"], "tflite"),
        "predict by 0": (["predict", ".", ".", "--top", "0"], "top"),
        "predict on 0 threads": (["predict", ".", ".", "--threads", "0"], "threads"),
        "evaluate no slots": (
            [
                "evaluate",
                "--task",
                "cnn",
                "--proposal",
                "x",
                "--slots",
                "2:1",
                "--params",
                DEFAULTS,
                "--data",
                "x",
                "--store",
                "x",
                "--out",
                "y",
            ],
            "expected FIRST:END",
        ),
        "status of nothing": (["status", "nowhere"], "nowhere"),
        "verify nothing": (["lineage", "verify", "nowhere"], "nowhere"),
        "an unknown verb of lineage": (["lineage", "verfy"], "(?i)no such command"),
    }
    for name, (words, says) in lines.items():
        yield name, Case(lambda folder, words=words: words, says)


TABLE: dict[str, Case] = {}
for _cases in (parameters, data, cells, models, command_line):
    for _name, _case in _cases():
        assert _name not in TABLE, f"{_name} stands twice in the table"
        TABLE[_name] = _case
