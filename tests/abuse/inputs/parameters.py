"""Bad parameters: values, keys, settings and whole files."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.abuse.inputs.cases import Case, Make, check, overlay, setting


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
    for key in ("results", "data", "store"):
        yield f"a file as paths.{key}", Case(_file_as_folder(key), f"paths\\.{key} = 'mine': .* is no folder")
    yield "parameters of a gigabyte", Case(_large_parameters, "accepted: at most 4,000,000")


def _file_as_folder(key: str) -> Make:
    def make(folder: Path) -> Sequence[str]:
        (folder / "mine").write_text("mine")
        return check("--set", f"paths.{key}=mine")

    return make


def _pipe_parameters(folder: Path) -> Sequence[str]:
    os.mkfifo(folder / "pipe.yaml")
    return ["check", "--params", "pipe.yaml"]


def _large_parameters(folder: Path) -> Sequence[str]:
    with (folder / "large.yaml").open("wb") as file:
        file.truncate(10**9)
    return ["check", "--params", "large.yaml"]
