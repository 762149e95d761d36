"""``proxy-quality`` overwrites its own earlier results alone."""

from pathlib import Path

import pytest

from autoshrink.cli.proxy_quality import require_own
from autoshrink.errors import UserError
from autoshrink.study.proxy_quality import to_markdown
from tests.unit.study.test_proxy_quality import result


def test_an_earlier_measurement_is_replaced(tmp_path: Path) -> None:
    """Nothing there, the record alone, or record and table as they were written: all may be written anew."""
    out = tmp_path / "quality.json"
    require_own(out)
    result().write(out)
    require_own(out)
    out.with_suffix(".md").write_text(to_markdown(result()), encoding="utf-8")
    require_own(out)


@pytest.mark.parametrize("record", [None, "notes", "measured"])
def test_files_of_others_are_left_alone(tmp_path: Path, record: str | None) -> None:
    """A user's notes beside the record, or in its place, end the command before anything is trained."""
    out, table = tmp_path / "quality.json", tmp_path / "quality.md"
    if record == "measured":
        result().write(out)
    elif record == "notes":
        out.write_text("{}", encoding="utf-8")
    if record != "notes":
        table.write_text("my notes", encoding="utf-8")
    named = out if record == "notes" else table
    with pytest.raises(UserError, match=rf"{named.name}: no earlier measurement wrote this file"):
        require_own(out)


def test_the_record_needs_another_name_than_its_table(tmp_path: Path) -> None:
    """A record named .md would be overwritten by the table."""
    with pytest.raises(UserError, match=r"--out .*quality.md: the table beside the record has this name"):
        require_own(tmp_path / "quality.md")
