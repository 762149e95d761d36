"""The verb that plans a network's training on an array of accelerators."""

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autoshrink.cli import options
from autoshrink.cli.step import step
from autoshrink.errors import UserError
from autoshrink.params.base import Task

if TYPE_CHECKING:
    from torch import nn

    from autoshrink.params import Parameters
    from autoshrink.planner.outcome import Plan

PROFILED_BATCH = 8
NUMERALS = ("I", "II", "III")


@click.command(short_help="Plan a network's training on unequal accelerators.")
@click.argument("network")
@options.parameters
@click.option("--devices", required=True, metavar="FILE|NAME", help="A device file, or tpu-boards.")
@click.option("--batch", type=click.IntRange(min=1), default=512, show_default=True, help="Examples of one step.")
@click.option("--image-size", type=click.IntRange(8, 4096), default=224, show_default=True, help="Of torchvision's.")
@click.option("--preset", type=click.Choice(["paper"]), help="paper: the network that the cell was released with.")
@click.option(
    "--method",
    type=click.Choice(["data", "owt", "hypar", "accpar"]),
    default="accpar",
    show_default=True,
    help="Whose plan is kept; all are compared.",
)
@click.option("--shares", type=click.Choice(["equal", "balanced"]), default="balanced", show_default=True)
@click.option(
    "--optimizer-numbers",
    type=click.IntRange(0, 8),
    default=1,
    show_default=True,
    help="What the optimizer keeps for each weight.",
)
@click.option("--calibrate", metavar="ACCELERATOR", help="Time the layers here; this machine is that accelerator.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write the plan.")
def plan(
    network: str,
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    devices: str,
    batch: int,
    image_size: int,
    preset: str | None,
    method: str,
    shares: str,
    optimizer_numbers: int,
    calibrate: str | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Plan which dimension of each layer's tensors is divided between accelerators, and in what shares.

    NETWORK is a cell (a file of a run, or a released cell's name), a classifier of torchvision's by name, or an ONNX
    file. The plan of AccPar stands beside those of data parallelism, one weird trick and HyPar. Nothing is trained.

    \b
    Examples:
      autoshrink plan vgg16 --devices tpu-boards
      autoshrink plan shrinkcnn-a --preset paper --devices tpu-boards --out plan.json
    """
    from autoshrink.planner import device_file, outcome
    from autoshrink.planner.planning import Method, Settings
    from autoshrink.planner.readers import onnx_files

    array = device_file.read(devices)
    module: nn.Module | None = None
    parameters: Parameters | None = None
    shape: tuple[int, ...] = (3, image_size, image_size)
    if network.endswith(".onnx"):
        if not Path(network).is_file():
            raise UserError(f"{network}: there is no such file")
        found = onnx_files.read(Path(network), batch)
    else:
        from autoshrink.planner.readers import modules

        module, shape, parameters = _module(network, files, settings, preset, shape)
        found = modules.read(network, module, shape, batch)
    slowness = None
    if calibrate is not None:
        from autoshrink.planner.readers import profiling

        speeds = {leaf.name: leaf.speed for leaf in array.root.leaves()}
        if module is None or calibrate not in speeds:
            known = ", ".join(sorted(speeds))
            raise UserError(f"--calibrate {calibrate}: no ONNX file, and one of: {known}")
        seconds = profiling.measure(module, found, shape, PROFILED_BATCH)
        slowness = profiling.slowness(found, seconds, PROFILED_BATCH, speeds[calibrate])
    chosen = Settings(
        Method(method),
        "equal" if shares == "equal" else "balanced",
        optimizer_numbers=optimizer_numbers,
        slowness=slowness,
    )
    if out is None:
        made = outcome.make(found, array, chosen, calibrate)
    else:
        about = {"network": network, "devices": devices, "batch": batch, "method": method, "shares": shares}
        inputs = [path for path in (Path(network), Path(devices)) if path.is_file()]
        task = None if parameters is None else Task.CNN
        with step("plan", out, inputs=inputs, subject=about, parameters=parameters, task=task):
            made = outcome.make(found, array, chosen, calibrate)
            made.save(out)
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=1))
    else:
        _print(made)


def _module(
    network: str, files: tuple[Path, ...], settings: tuple[str, ...], preset: str | None, shape: tuple[int, ...]
) -> "tuple[nn.Module, tuple[int, ...], Parameters | None]":
    """Return the network as a torch module, the shape of its examples, and the parameters that it depends on."""
    from autoshrink.cells import released
    from autoshrink.planner.readers import modules

    if network not in released.names() and not Path(network).exists():
        return modules.torchvision_module(network), shape, None
    from autoshrink.cli import cell_argument, cost
    from autoshrink.params.vision import ImageNetwork
    from autoshrink.tasks.vision import network as images

    cell = cell_argument.find(network).canonical()
    if cost.task_of(cell) is not Task.CNN:
        raise UserError(
            f"{network}: is a recurrent cell, whose loop over time the planner does not divide; accepted: image cells"
        )
    parameters = None if preset else options.load(files, settings)
    setting = cost.released_setting(network, cell) if parameters is None else cost.trained_setting(parameters, cell)
    assert isinstance(setting.network, ImageNetwork)
    example = setting.example
    module = images.skeleton(cell, setting.network, example["channels"], example["classes"])
    return module, (example["channels"], example["height"], example["width"]), parameters


def _print(made: "Plan") -> None:
    weighted = [index for index, (_, kind) in enumerate(made.layers) if kind != "join"]
    click.echo(
        f"{made.network}: {len(weighted)} layers with weights, {made.weights / 1e6:.4g} M weights, "
        f"{made.macs / 1e6:.4g} M MACs an example, {made.batch} examples a step"
    )
    click.echo(f"{made.array}: {made.devices}\n")
    rows = [["method", "shares", "step, ms", "overlapped", "compute", "communication", "memory, GB", ""]]
    for item in made.methods:
        if item.step is None or item.overlapped is None or item.compute is None:
            rows.append([item.method, item.shares, "-", "-", "-", "-", "-", "cannot plan it"])
            continue
        times = (item.step, item.overlapped, item.compute, sum(item.communication))
        memory = ", ".join(f"{name} {needed / 1e9:.3g} of {has / 1e9:.3g}" for name, needed, has in item.memory)
        remark = "" if item.fits else "does not fit"
        if not item.exact:
            remark = f"{remark} inexact (beam)".strip()
        rows.append([item.method, item.shares, *(f"{value * 1e3:.4g}" for value in times), memory, remark])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    click.echo(f"\nThe plan of {made.chosen}, level by level (first sides), a layer each, joins left out:")
    levels = made.plan.levels()
    for number, level in enumerate(levels, 1):
        runs = [(kind, len(list(run))) for kind, run in itertools.groupby(level.types[index] for index in weighted)]
        types = " ".join(NUMERALS[kind] + (f"*{count}" if count > 1 else "") for kind, count in runs)
        shares = sorted(level.shares)
        shown = f"{shares[0]:.3f}" if shares[0] == shares[-1] else f"{shares[0]:.3f} to {shares[-1]:.3f}"
        click.echo(f"{number:3}  {level.group}, first side's share {shown}: {types}")
    bound = next(item.bound for item in made.methods if item.name == made.chosen)
    click.echo(f"\nBound by {bound}.\n{made.sentence}")
