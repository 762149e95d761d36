"""A cell is found by file or name; whatever else a file holds is refused in one line that names it."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.cells.cell import INPUT, Cell
from autoshrink.cli import cell_argument
from autoshrink.errors import UserError
from autoshrink.files import artifacts

CELL = Cell.complete(["conv_1x1", "separable_conv_3x3"])


def refusal(what: Path | str) -> str:
    with pytest.raises(UserError) as caught:
        cell_argument.find(str(what))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_cell_file_and_a_released_name_are_found(tmp_path: Path) -> None:
    CELL.save(tmp_path / "cell.json")
    assert cell_argument.find(str(tmp_path / "cell.json")) == CELL
    assert cell_argument.find("shrinkcnn-a").edges


def test_a_misspelt_name_is_answered_by_the_right_one() -> None:
    assert refusal("shrinkcn-a").endswith("did you mean 'shrinkcnn-a'?")


def sealed(path: Path, kind: str, content: dict[str, Any]) -> Path:
    artifacts.write_sealed(path, kind, 1, content)
    return path


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("cell", {}, "not a cell: expected"),
        ("best", {}, "is no best: it lacks "),
        ("best", {"cell": 3}, "is no best: "),
        ("round", {"state": 3}, "is no round: "),
        ("round", {"state": {"cell": None}}, "is no round: "),
        ("timing", {"cell": CELL.to_json()}, "holds no cell; accepted: cell, best, round"),
    ],
)
def test_sealed_but_malformed_files_are_named(tmp_path: Path, kind: str, content: dict[str, Any], why: str) -> None:
    import re

    message = refusal(sealed(tmp_path / "file.json", kind, content))
    assert "file.json" in message
    assert re.search(why, message), message


def test_a_node_that_nothing_reaches_is_named(tmp_path: Path) -> None:
    cell = Cell.of(["conv_1x1", "conv_1x1"], [(0, 1)])
    cell.save(tmp_path / "cell.json")
    assert "no path leads from node 0 to node 2" in refusal(tmp_path / "cell.json")


def test_an_operator_that_would_forge_a_key_is_refused(tmp_path: Path) -> None:
    cell = {"nodes": [{"id": 0, "operator": INPUT}, {"id": 1, "operator": "relu(0);tanh"}], "edges": [[0, 1]]}
    assert "'relu(0);tanh' is no name" in refusal(sealed(tmp_path / "cell.json", "cell", {"cell": cell}))


def test_deep_json_a_pipe_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    os.mkfifo(tmp_path / "pipe.json")
    assert "is nested deeper than any" in refusal(tmp_path / "deep.json")
    assert "neither a file nor a released cell" in refusal(tmp_path / "pipe.json")
    assert "neither a file nor a released cell" in refusal(tmp_path)
    assert "neither a file nor a released cell" in refusal("a\0b")


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-2, 99)
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES: Any = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["nodes", "edges", "id", "operator", "x"]), inner, max_size=4)
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(["cell", "best", "round"]), value=VALUES)
def test_any_sealed_value_ends_in_a_cell_or_one_line(tmp_path_factory: Any, kind: str, value: Any) -> None:
    path = tmp_path_factory.mktemp("cells") / "file.json"
    sealed(path, kind, {"cell": value, "state": {"cell": value}})
    try:
        assert isinstance(cell_argument.find(str(path)), Cell)
    except UserError as error:
        assert "\n" not in str(error)
