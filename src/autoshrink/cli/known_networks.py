"""The verb ``known-networks``: count the networks that found cells are compared with."""

from pathlib import Path

import click

from autoshrink.cli import options
from autoshrink.cli.step import step
from autoshrink.records.known_networks import CountedNetwork, KnownNetworks
from autoshrink.tasks.spec import spec_of


@click.command(short_help="Count the released cells and well-known mobile architectures, to compare with.")
@options.out("the counts")
def known_networks(out: Path) -> None:
    """Count the parameters and multiply-accumulates (MACs) of the released cells' networks and of mobile architectures
    that torchvision ships, with the counter that counts found cells, so that rows can be compared.

    \b
    Example:
      autoshrink known-networks --out results/report/known-networks.json
    """
    from autoshrink.costs.known_networks import counted

    with step("known-networks", out):
        rows = (*_released(), *counted())
        KnownNetworks(rows=rows).write(out)
    for row in rows:
        click.echo(f"{row.name}: {row.parameters / 1e6:.3f} M parameters, {row.macs / 1e6:.1f} M MACs")


def _released() -> list[CountedNetwork]:
    """Return the released cells' rows; their quality is what the paper publishes."""
    from autoshrink.cells import released
    from autoshrink.cli.cost import counts, released_setting
    from autoshrink.costs.known_networks import COUNTED_NOTE

    rows = []
    for name in released.names():
        found = released.load(name)
        spec = spec_of(found.task)
        total, _ = counts(found.cell, released_setting(name, found.cell))
        rows.append(
            CountedNetwork(
                task=found.task,
                name=name,
                source="counted here on the released cell",
                dataset=found.dataset or spec.benchmark,
                quality=found.quality([item.column for item in spec.reported]),
                **total,
                note=COUNTED_NOTE,
            )
        )
    return rows
