"""Bad inputs: parameters, data, cells, models, command lines. Each ends in lines that say what is wrong, status 2."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autoshrink import params
from tests.abuse.inputs.cases import Case, attempt, preload
from tests.abuse.inputs.cells import cells
from tests.abuse.inputs.command_line import command_line
from tests.abuse.inputs.data import data
from tests.abuse.inputs.models import models
from tests.abuse.inputs.parameters import parameters
from tests.abuse.trial import Ledger, Tally
from tests.functional import test_bad_inputs
from tests.unit.lineage import made

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = ROOT / "params.default.yaml"
Words = Sequence[str]
# no key of the parameters takes any of these
NEVER = ("{a: {b: [1]}}", "[[[]]]", "'\\0'")


def trials(folder: Path, seed: int, ledger: Ledger) -> list[Tally]:
    """Make each mistake in a folder of its own and count what was refused."""
    folder.mkdir(parents=True)
    preload()
    refused = "refused in a line that names it, status 2"
    tallies = []
    for kind, cases in {
        "bad data, cells and files": [*_silent(_from_tests()), *data(), *cells()],
        "bad parameters": [*_silent(_parameters()), *parameters()],
        "bad command lines": [*_silent(_command_lines(folder)), *command_line()],
        "bad models": [*_silent(_models(folder)), *models()],
    }.items():
        tally = Tally(kind, refused, ledger)
        for number, (name, case) in enumerate(cases):
            if tally.has(name):
                continue
            here = folder / kind.replace(" ", "-").replace(",", "") / str(number)
            (here / "raw").mkdir(parents=True)
            (here / "raw/photo.jpg").write_text("mine")
            tally.add(name, *attempt(case, here))
        tallies.append(tally)
    return tallies


def _silent(cases: Mapping[str, Callable[[Path], Words]]) -> Iterator[tuple[str, Case]]:
    """Yield cases of which no words are asked: what they say differs with the value."""
    return ((name, Case(make, "")) for name, make in cases.items())


def _from_tests() -> dict[str, Callable[[Path], Words]]:
    return {name: mistake for name, (mistake, _) in test_bad_inputs.CASES.items()}


def _parameters() -> dict[str, Callable[[Path], Words]]:
    """Return mistakes of every key of the parameters: a value that no key takes, or the key misspelt."""
    keys = sorted(_leaves(params.load([DEFAULTS]).model_dump(mode="json")))
    found: dict[str, Callable[[Path], Words]] = {}
    for number, key in enumerate(keys):
        value = NEVER[number % len(NEVER)]
        misspelt = re.sub(r"(.)$", r"\1\1", key)
        for setting in (f"{key}={value}", f"{misspelt}=1"):
            found[f"--set {setting}"] = lambda here, setting=setting: [  # type: ignore[misc]
                *("check", "--params", str(DEFAULTS), "--set", setting)
            ]
    return found


def _leaves(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        if key in ("datasets", "strategies", "paths"):
            continue  # names of the user's own choice
        found += _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"]
    return found


def _command_lines(folder: Path) -> dict[str, Callable[[Path], Words]]:
    """Return every verb with an unknown option, and with each file it asks for missing, a folder, a pipe or noise."""
    from autoshrink.cli.lineage import lineage
    from autoshrink.cli.root import VERBS

    verbs = [*(verb for verb in VERBS if verb != "lineage"), *(f"lineage {name}" for name in sorted(lineage.commands))]
    found: dict[str, Callable[[Path], Words]] = {}
    for verb in verbs:
        found[f"{verb} --bogus"] = lambda here, verb=verb: [*verb.split(), "--bogus"]  # type: ignore[misc]
    for kind, make in _ODD.items():
        for line in _LINES:
            if kind == "empty" and line.startswith("check"):
                continue  # an overlay that changes nothing
            found[f"{line} ({kind})"] = lambda here, line=line, make=make: _with(line, make(here / "odd"))  # type: ignore[misc]
    return found


_LINES = (
    "check --params ODD",
    "lineage show ODD",
    "lineage verify ODD",
    "lineage why accuracy_top1 ODD",
    "lineage unpack ODD",
    "lineage pack ODD --out out.zip",
    "cost --cell ODD",
    "best --task cnn --search shrink-0 --out best.json ODD",
    "predict ODD raw",
    "export ODD --format onnx",
)


def _with(line: str, odd: Path) -> list[str]:
    return [word.replace("ODD", str(odd)) for word in line.split()]


def _nothing(path: Path) -> Path:
    return path


def _noise(path: Path) -> Path:
    path.write_bytes(bytes(range(256)) * 8)
    return path


def _empty(path: Path) -> Path:
    path.touch()
    return path


def _deep(path: Path) -> Path:
    path.write_text("[" * 100_000)
    return path


_ODD: dict[str, Callable[[Path], Path]] = {"missing": _nothing, "noise": _noise, "empty": _empty, "endless": _deep}


def _models(folder: Path) -> dict[str, Callable[[Path], Words]]:
    """Return `predict` with models that are none: files missing, empty, cut, of another kind."""
    made.run(folder / "made")
    source = folder / "made" / made.SEARCH / "model"
    found: dict[str, Callable[[Path], Words]] = {}
    for file in ("model.json", "model.safetensors"):
        for share in (0.0, 0.1, 0.5, 0.9):
            found[f"{file} cut to {share:.0%}"] = lambda here, file=file, share=share: _model(  # type: ignore[misc]
                here, source, file, share
            )
    return found


def _model(here: Path, source: Path, file: str, share: float) -> Words:
    for name in ("model.json", "model.safetensors"):
        content = (source / name).read_bytes()
        (here / "model").mkdir(exist_ok=True)
        (here / "model" / name).write_bytes(content[: int(len(content) * share)] if name == file else content)
    return ["predict", "model", "raw"]
