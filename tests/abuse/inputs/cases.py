"""A case: a mistake made in an empty folder, the command that meets it, and what must be said of it."""

import contextlib
import importlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autoshrink.cli import main
from autoshrink.cli.root import VERBS
from tests.abuse.trial import Outcome, digests, trial

ROOT = Path(__file__).resolve().parents[3]
MOST_LINES = 5
DEFAULTS = str(ROOT / "params.default.yaml")

Make = Callable[[Path], Sequence[str]]


@dataclass(frozen=True)
class Case:
    """A bad input: ``make`` puts the mistake into a folder and returns the command's words.

    ``says`` is a regular expression for what must be said of it; empty: any words will do.
    """

    make: Make
    says: str


def attempt(case: Case, folder: Path) -> tuple[Outcome, str]:
    """Carry a case out in ``folder``; return how it ended and what is wrong with that, empty where nothing is."""
    with contextlib.chdir(folder):
        words = [str(word) for word in case.make(folder)]
        before = digests([folder])
        outcome = trial(lambda: main(words))
    return outcome, _complaint(case, outcome) or ("" if digests([folder]) == before else "left or changed a file")


def _complaint(case: Case, outcome: Outcome) -> str:
    said = outcome.said.strip()
    if outcome.status != 2 or not said:
        return f"status {outcome.status}: {said[:200]}"
    if not re.search(case.says, said):
        return f"does not say {case.says!r}: {said[:200]}"
    lines = len(said.splitlines())
    return f"{lines} lines" if lines > MOST_LINES and case.says else ""


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
