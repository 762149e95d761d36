"""The NAS checklist's facts: every file, parameter, command and number it names is the pipeline's."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from autoshrink import params
from autoshrink.cli.root import VERBS
from autoshrink.params.base import Task
from autoshrink.search import rounds

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/checklist.md").read_text(encoding="utf-8")
DEFAULT = params.load([ROOT / "params.default.yaml"])


def found(item: str) -> bool:
    """Return whether what the page names in backticks is there."""
    if item.startswith("autoshrink "):
        return item.split()[1] in VERBS
    if item in DEFAULT.search.strategies or (ROOT / item).exists():
        return True
    value: Any = DEFAULT
    for part in item.split("."):
        if not isinstance(value, BaseModel) or part not in type(value).model_fields:
            return False
        value = getattr(value, part)
    return True


@pytest.mark.parametrize("item", sorted(set(re.findall(r"`([^`]+)`", PAGE))))
def test_what_the_page_names_is_there(item: str) -> None:
    """Every file, parameter, strategy and verb named on the page is the project's."""
    assert found(item), f"docs/checklist.md names {item}, which is not there"


def test_study_is_as_told() -> None:
    """The study's seeds, strategies and budgets are those of the page; random search is among them."""
    study = DEFAULT.study
    assert f"{len(study.seeds)} seeds for each of {len(study.strategies)} strategies" in PAGE
    assert f"a single run has {len(DEFAULT.search.seeds)}" in PAGE
    assert "random" in study.strategies
    shares = [f"{share:.0%}".replace("%", " %") for share in study.budgets]
    assert f"{', '.join(shares[:-1])} and {shares[-1]}" in PAGE


@pytest.mark.parametrize(("preset", "overlays"), [("default", []), ("paper preset", ["workflow/presets/paper.yaml"])])
@pytest.mark.parametrize("task", list(Task))
def test_budgets_are_as_told(preset: str, overlays: list[str], task: Task) -> None:
    """The table of budgets has what the parameters plan."""
    chosen = params.load([ROOT / "params.default.yaml", *(ROOT / name for name in overlays)])
    plan = rounds.plan(chosen, task)
    evaluations = sum(len(slots) for jobs in plan for slots in jobs)
    assert f"| {task.upper()}, {preset} | {len(plan)} | {evaluations} |" in PAGE
