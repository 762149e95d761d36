import io
import json
import xml.etree.ElementTree
from pathlib import Path

import networkx as nx
import pytest

from autoshrink.cells import released
from autoshrink.cells.cell import Cell
from autoshrink.cli.cell import render
from tests.unit.cli.test_cost import run

CELL = Cell.of(["conv_1x1", "separable_conv_3x3", "conv_1x1"], [(0, 1), (0, 2), (1, 3)])


@pytest.mark.parametrize("form", ["graphml", "json"])
def test_networkx_reads_the_cell_back(form: str) -> None:
    """Nodes, operators, leaves and edges survive both graph formats."""
    text = render(CELL, form, "a cell")
    if form == "graphml":
        graph = nx.read_graphml(io.BytesIO(text.encode()), node_type=int)
    else:
        graph = nx.node_link_graph(json.loads(text), edges="edges")
    assert set(graph.edges) == set(CELL.edges)
    assert [graph.nodes[node]["operator"] for node in sorted(graph)] == list(CELL.operators)
    assert tuple(sorted(node for node in graph if graph.nodes[node]["leaf"])) == CELL.leaves


def test_a_released_cell_is_drawn_into_a_file(tmp_path: Path) -> None:
    """The verb finds a cell by its name and writes well-formed SVG with a path for every edge."""
    out = tmp_path / "cell.svg"
    assert run("cell", "shrinkrnn", "--format", "svg", "--out", str(out)) == 0
    drawn = xml.etree.ElementTree.parse(out).getroot()
    curves = [item for item in drawn.iter("{http://www.w3.org/2000/svg}path") if item.get("fill") == "none"]
    assert len(curves) == len(released.load("shrinkrnn").cell.edges)


def test_what_is_there_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A user's drawing, or the very file that the cell was read from, stays as it is."""
    (tmp_path / "mine.svg").write_text("mine")
    assert run("cell", "shrinkrnn", "--format", "svg", "--out", str(tmp_path / "mine.svg")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "mine.svg: is there already" in line and (tmp_path / "mine.svg").read_text() == "mine"
