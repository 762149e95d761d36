"""The verb that counts a cell's network: parameters and multiply-accumulates, by stage and in all."""

from pathlib import Path

import click

from autoshrink.cli import options


@click.command(short_help="Count a cell's parameters and MACs, by stage and in all.")
@options.parameters
@click.option("--cell", required=True, metavar="FILE|NAME", help="A cell file, or a released cell's name.")
@click.option("--preset", type=click.Choice(["paper"]), help="paper: the network that the cell was released with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cost(files: tuple[Path, ...], settings: tuple[str, ...], cell: str, preset: str | None, as_json: bool) -> None:
    """Count the parameters and multiply-accumulates (MACs) of a cell's network, by stage and in all.

    Example: autoshrink cost --cell shrinkcnn-a --preset paper --json
    """
    raise NotImplementedError
