"""The verb ``cell``: write a cell as a graph or a drawing."""

import json
import os
from pathlib import Path
from typing import Any

import click

from autoshrink.cells.cell import Cell
from autoshrink.cli import cell_argument, options
from autoshrink.errors import UserError
from autoshrink.files import artifacts


@click.command(short_help="Write a cell as a graph (GraphML, node-link JSON) or as a drawing (SVG).")
@click.argument("cell", metavar="FILE|NAME")
@click.option("--format", "form", type=click.Choice(["graphml", "json", "svg"]), required=True, help="What to write.")
@click.option("--out", type=options.FILE, help="Where to write.  [default: standard output]")
def cell(cell: str, form: str, out: Path | None) -> None:
    """Write the cell of a cell, best or round file, or a released cell, for other programs.

    Nodes carry their operator and whether they are leaves. GraphML is read by networkx, igraph, Gephi and yEd; JSON is
    networkx's node-link form.

    \b
    Examples:
      autoshrink cell shrinkcnn-a --format svg --out cell.svg
      autoshrink cell results/cnn/shrink-0/best.json --format graphml --out cell.graphml
    """
    text = render(cell_argument.find(cell), form, cell)
    if out is None:
        click.echo(text, nl=False)
        return
    if os.path.lexists(out):
        raise UserError(f"--out {out}: is there already; name another file, or remove it")
    artifacts.write_text(out, text)
    click.echo(out)


def render(cell: Cell, form: str, title: str) -> str:
    """Return the cell as ``graphml``, ``json`` or ``svg``; ``title`` is the drawing's."""
    if form == "svg":
        from autoshrink.cells import drawing

        return drawing.svg(cell, f"The cell of {title}")
    import networkx as nx

    graph: Any = cell.to_networkx()
    for node in graph:
        graph.nodes[node]["leaf"] = node in cell.leaves
    if form == "graphml":
        return "\n".join(nx.generate_graphml(graph)) + "\n"
    return json.dumps(nx.node_link_data(graph, edges="edges"), indent=1) + "\n"
