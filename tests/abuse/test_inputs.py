"""A sample of the table of bad inputs, every run; `attempt` on all of it is a matter of minutes."""

from pathlib import Path

import pytest

from tests.abuse.inputs import TABLE
from tests.abuse.inputs.cases import Case, attempt, check, preload

preload()


def test_the_table_has_hundreds_of_cases_of_every_kind() -> None:
    assert len(TABLE) >= 300


@pytest.mark.parametrize("name", list(TABLE)[::20])
def test_a_bad_input_is_refused_in_few_lines(name: str, tmp_path: Path) -> None:
    outcome, complaint = attempt(TABLE[name], tmp_path)
    assert (complaint or outcome.complaint()) == ""


def test_a_good_input_and_a_silent_one_would_be_noticed(tmp_path: Path) -> None:
    """The table can fail: a command that ends well, or says something else, is told."""
    assert attempt(Case(lambda folder: check("--help"), ""), tmp_path)[1].startswith("status 0")
    assert "does not say" in attempt(Case(lambda folder: check("--bogus"), "no such words"), tmp_path)[1]
