"""The digest of the code behind a result: what changes it, and what does not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoshrink.params.base import Task
from autoshrink.runtime import code
from autoshrink.tasks.code import evaluator, roots
from autoshrink.workflow.code import code_of
from autoshrink.workflow.steps import STEPS

MAIN = '''"""A module."""

from typing import TYPE_CHECKING

from codesample import helpers, other
from codesample.helpers import scale as scaled

if TYPE_CHECKING:
    from codesample.types import Thing

FACTOR = 2


def result(value: int, thing: "Thing") -> int:
    """Return the result."""
    if value < 0:
        raise ValueError(f"{value} is negative")
    return scaled(value) * FACTOR + helpers.shift(value) + thing.weight()


def unrelated() -> int:
    return other.number()
'''
HELPERS = """def scale(value: int) -> int:
    return _twice(value)


def _twice(value: int) -> int:
    return 2 * value


def shift(value: int) -> int:
    from codesample.deep import offset

    return value + offset


def unused() -> int:
    return 1
"""
FILES = {
    "__init__.py": "",
    "main.py": MAIN,
    "helpers.py": HELPERS,
    "deep.py": "offset = 3\n",
    "other.py": "def number():\n    return 1\n",
    "types.py": "class Thing:\n    def weight(self):\n        return 1\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield the folder of a small package that can be found."""
    folder = tmp_path / "codesample"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    forget()
    sys.modules.pop("codesample", None)


def forget() -> None:
    """Forget what was read."""
    for function in (code.digest, code.reached, code._read, code._parsed, code._file):
        function.cache_clear()


def digest() -> str:
    """Return the digest of the sample's result, read anew."""
    forget()
    return code.digest("codesample.main:result")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", "FACTOR = 2", "FACTOR = 3"),
        ("main.py", "value < 0", "value < 1"),
        ("helpers.py", "2 * value", "3 * value"),
        ("helpers.py", "value + offset", "value - offset"),
        ("deep.py", "3", "4"),
        ("types.py", "return 1", "return 2"),
    ],
)
def test_what_a_result_depends_on_changes_the_digest(package: Path, file: str, old: str, new: str) -> None:
    """Constants, helpers of helpers, imports inside functions and the methods of annotated types all count."""
    before = digest()
    (package / file).write_text(FILES[file].replace(old, new))
    assert digest() != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("main.py", '"""Return the result."""', '"""Return the outcome."""'),
        ("main.py", "FACTOR = 2\n", "FACTOR = 2  # twice\n\n\n"),
        ("main.py", "is negative", "is below zero"),
        ("main.py", "value: int, thing", "value: float, thing"),
        ("main.py", "return other.number()", "return other.number() + 1"),
        ("helpers.py", "return 1", "return 2"),
        ("other.py", "return 1", "return 2"),
    ],
)
def test_what_it_does_not_depend_on_changes_nothing(package: Path, file: str, old: str, new: str) -> None:
    """Docstrings, comments, words of errors, annotations, and unrelated definitions in the same files do not count."""
    before = digest()
    assert old in FILES[file]
    (package / file).write_text(FILES[file].replace(old, new))
    assert digest() == before


@pytest.mark.parametrize("root", ["codesample.nothing:f", "codesample.main:nothing", "codesample.types:Thing.nothing"])
def test_a_root_that_is_not_there_is_an_error(package: Path, root: str) -> None:
    """A renamed function cannot silently leave a step without code."""
    with pytest.raises(ValueError, match="there is no such"):
        code.digest(root)


@pytest.mark.parametrize("verb", sorted(STEPS))
@pytest.mark.parametrize("task", list(Task))
def test_every_step_has_code(verb: str, task: Task) -> None:
    """The table's functions are there, and reach more than themselves."""
    step = STEPS[verb]
    assert code_of(verb, task)
    of_task = roots(task, *step.task_methods) if step.task_methods else []
    assert len(code.reached(*step.code, *of_task)) > 5


def modules(*found: str) -> set[str]:
    """Return the modules that these roots reach."""
    return {line.split()[0] for line in code.reached(*found)}


@pytest.mark.parametrize("task", list(Task))
def test_an_evaluation_knows_its_task_alone(task: Task) -> None:
    """Neither strategies, nor the report, nor the other task, nor the final training is part of an evaluation."""
    reached = modules(*roots(task, "load", "draw", "to_device", "trial"))
    mine = task.module.rpartition(".")[0]
    assert f"{mine}.proxy" in reached and f"{mine}.network" in reached
    assert f"{mine}.training" not in reached
    assert not [name for name in reached if name.startswith(("autoshrink.search", "autoshrink.report"))]
    packages = {name.rpartition(".")[0] for name in reached if name.startswith("autoshrink.tasks.")}
    assert packages <= {mine, "autoshrink.tasks"}
    assert evaluator(task, "trial") != evaluator(task, "zero_cost")


def test_scores_are_code_of_the_selection() -> None:
    """The formula of the score is reached from the step that scores, for each task."""
    for task in Task:
        step = STEPS["select"]
        reached = modules(*step.code, *roots(task, *step.task_methods))
        assert {"autoshrink.search.objective", f"{task.module.rpartition('.')[0]}.objective"} <= reached
