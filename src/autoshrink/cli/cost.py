"""The verb ``cost``: count the parameters and multiply-accumulates of a cell's network, by stage and in total."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoshrink.cells.cell import INPUT, STAGE, Cell
from autoshrink.cli import options
from autoshrink.errors import UserError
from autoshrink.files.artifacts import Json
from autoshrink.params.base import Section, Task
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of

if TYPE_CHECKING:
    from autoshrink.params import Parameters

Counts = dict[str, int]
DEVICE_BITS = 8
"""Bits per weight and activation on a small device."""


@dataclass(frozen=True)
class Setting:
    """The network that a cell is built into, its input sizes, and published figures."""

    task: Task
    network: Section
    example: dict[str, int]
    """``channels``, ``height``, ``width`` and ``classes`` of images, or the size of a ``vocabulary``."""
    said: str
    """The same in words."""
    published: Mapping[str, float]


@click.command(short_help="Count a cell's parameters and MACs, by stage and in all.")
@options.parameters
@click.option(
    "--cell", required=True, metavar="FILE|NAME", help="A cell, best or round file, or a released cell's name."
)
@click.option("--preset", type=click.Choice(["paper"]), help="paper: the network that the cell was released with.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cost(files: tuple[Path, ...], settings: tuple[str, ...], cell: str, preset: str | None, as_json: bool) -> None:
    """Count the parameters and multiply-accumulates (MACs) of a cell's network for one image or one word, by stage and
    in all.

    The network is that of params.yaml's final training, for the prepared data it names. With --preset paper it is the
    one the cell was released with (ImageNet at 224 x 224, or the Penn Treebank's 10,000 words); a cell that was not
    released is put into the network released for its task. Released cells: shrinkcnn-a, shrinkcnn-b, shrinkrnn; and
    swiftnet, a network with a cell per stage, which is always counted as released.

    \b
    Examples:
      autoshrink cost --cell shrinkcnn-a --preset paper
      autoshrink cost --cell swiftnet
      autoshrink cost --cell results/cnn/shrink-0/best.json --json
    """
    from autoshrink.cli import cell_argument

    chosen = cell_argument.find(cell).canonical()
    # a released network of several cells is no recipe's: it is counted as it was released
    fixed = preset is not None or cell_argument.is_network(cell)
    setting = released_setting(cell, chosen) if fixed else trained_setting(options.load(files, settings), chosen)
    total, parts = counts(chosen, setting)
    device = device_costs(chosen, setting, total["macs"])
    if as_json:
        facts: Json = {
            "cell": chosen.to_json(),
            "key": chosen.key,
            "network": setting.network.model_dump(mode="json"),
            "example": setting.example,
        }
        facts |= {"total": total, "device": device, "parts": parts, "published": dict(setting.published)}
        click.echo(json.dumps(facts, indent=1))
        return
    click.echo(f"{cell}: {setting.said}")
    _print_table(total, parts)
    order = "the best" if device["arena_exact"] else "a good (perhaps not the best)"
    click.echo(
        f"at {DEVICE_BITS} bits: {device['memory_bytes']:,} bytes of memory for the input and output of the largest "
        f"operator, {device['arena_bytes']:,} for all that is held at once in {order} order of execution, "
        f"{device['flash_bytes']:,} bytes of flash for weights and biases; {device['intensity']:.2f} operations per "
        "byte moved"
    )
    if setting.published:
        click.echo("published: " + ", ".join(f"{key} {value:g}" for key, value in setting.published.items()))


def counts(cell: Cell, setting: Setting) -> tuple[Counts, dict[str, Counts]]:
    """Return what the cell's network costs in all, and each of its parts."""
    return spec_of(setting.task).count(cell, setting.network, setting.example)


def device_costs(cell: Cell, setting: Setting, macs: int) -> dict[str, int | float]:
    """Return ``small_device.count_all`` of the same network, of so many MACs, at ``DEVICE_BITS``."""
    from autoshrink.costs import small_device

    module, inputs = spec_of(setting.task).example_network(cell, setting.network, setting.example)
    return small_device.count_all(module, inputs, DEVICE_BITS, macs)


def task_of(cell: Cell) -> Task:
    """Return the task that a cell's operators belong to. Raises UserError where they belong to none."""
    for task in Task:
        spec = spec_of(task)
        if {*spec.operators, *spec.offered_operators(), INPUT, STAGE} >= set(cell.operators):
            return task
    raise UserError(f"a cell of the operators {', '.join(sorted(set(cell.operators[1:])))}: no task has all of these")


def released_setting(name: str, cell: Cell) -> Setting:
    """Return the network that the cell, or else the first cell of its task, was released with."""
    from autoshrink.cells import released

    names = released.names()
    task = task_of(cell)
    chosen = name if name in names else spec_of(task).released
    if chosen is None:
        raise UserError(f"--preset paper: no cell of the task {task} was released; leave it out")
    found = released.load(chosen)
    example = dict(found.example)
    said = f"{found.dataset or spec_of(found.task).benchmark}, {spec_of(found.task).describe_example(example)}"
    published = found.published if name in names else {}
    return Setting(found.task, found.network, example, f"released network, {said}", published)


def trained_setting(parameters: "Parameters", cell: Cell) -> Setting:
    """Return the network of the final training. Raises UserError where its data is not prepared yet."""
    task = task_of(cell)
    spec = spec_of(task)
    recipe = spec.training(parameters)
    folder = address.folder(parameters, recipe.dataset)
    if not (folder / address.MANIFEST).is_file():
        raise UserError(
            f"{folder}: the data set of training.{task} is not prepared, so its shape is not known; prepare it "
            f"(autoshrink prepare {recipe.dataset}), or count the released network with --preset paper"
        )
    example = spec.example(spec.load(folder), recipe)
    said = f"network of training.{task}, data set {recipe.dataset}, {spec.describe_example(example)}"
    return Setting(task, recipe.network, example, said, {})


def _print_table(total: Counts, parts: dict[str, Counts]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in ("parameters", "MACs", "parameters with batch norm", "MACs with batch norm"):
        table.add_column(head, justify="right")
    for name, count in parts.items():
        table.add_row(name, *(f"{count[key]:,}" for key in total))
    table.add_section()
    table.add_row("in all", *(f"{count:,}" for count in total.values()))
    millions = {key: f"{count / 1e6:,.{3 if 'parameters' in key else 1}f} M" for key, count in total.items()}
    table.add_row("", *millions.values())
    # whole rows where the output goes to a file or another program, whatever the width of a terminal
    console = Console(highlight=False)
    Console(highlight=False, width=None if console.is_terminal else 160).print(table)
