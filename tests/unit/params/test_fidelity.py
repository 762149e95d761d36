"""The page on fidelity holds the preset's values, and says of each how it stands to the release."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoshrink import params

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reference" / "fidelity.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| what", "| ---"))
]
KEYED = [(row[2].strip("`"), row[3].strip("`")) for row in ROWS if row[2]]


@pytest.fixture(scope="module")
def preset() -> dict[str, Any]:
    """The parameters of a run of the paper's preset."""
    return params.load([ROOT / "params.yaml", ROOT / "workflow" / "presets" / "paper.yaml"]).model_dump(mode="json")


@pytest.mark.parametrize(("key", "value"), KEYED, ids=[key for key, _ in KEYED])
def test_the_page_says_what_the_preset_holds(preset: dict[str, Any], key: str, value: str) -> None:
    """A value on the page is the preset's."""
    found: Any = preset
    for part in key.split("."):
        found = found[part]
    assert found == yaml.safe_load(value)


@pytest.mark.parametrize("key", [key for key, _ in KEYED if key != "seed"])
def test_the_preset_names_the_value_itself(key: str) -> None:
    """No value of the paper is left to a default that may change."""
    found: Any = yaml.safe_load((ROOT / "workflow" / "presets" / "paper.yaml").read_text())
    for part in key.split("."):
        assert part in found
        found = found[part]


def test_every_row_says_how_it_stands() -> None:
    """As released, or what differs: nothing in between."""
    for row in ROWS:
        assert re.match(r"(as released|differs: )", row[4]), row
    assert len(ROWS) > 100
