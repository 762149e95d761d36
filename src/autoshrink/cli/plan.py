"""The verb ``plan``: plan a network's training on an array of accelerators."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
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
    from autoshrink.planner.layers import Network
    from autoshrink.planner.outcome import Plan
    from autoshrink.planner.readers.profiling import Seconds

PROFILED_BATCH = 8
NUMERALS = ("I", "II", "III")


@click.command(short_help="Plan a network's training on unequal accelerators.")
@click.argument("network")
@options.parameters
@click.option("--devices", required=True, metavar="FILE|NAME", help="A device file, or tpu-boards.")
@click.option(
    "--batch", type=click.IntRange(min=1), default=512, show_default=True, help="Images or sequences of one step."
)
@click.option("--image-size", type=click.IntRange(8, 4096), default=224, show_default=True, help="Of torchvision's.")
@click.option(
    "--time-steps",
    type=click.IntRange(1, 4096),
    help="Of an RNN cell's sequences; left out: the recipe's bptt.length.",
)
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
    time_steps: int | None,
    preset: str | None,
    method: str,
    shares: str,
    optimizer_numbers: int,
    calibrate: str | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Plan which dimension of each layer's tensors to divide between accelerators, and in what shares.

    NETWORK is a cell (a file of a run, or a released cell's name), a classifier of torchvision's by name, or an ONNX
    file. An RNN cell's network is unrolled over the time steps of a sequence. AccPar's plan is compared with data
    parallelism, one weird trick and HyPar. Nothing is trained. Of the plan, the final training can execute type I
    (training.cnn.shares, training.rnn.shares); types II and III are exported as DTensor placements for other programs.

    \b
    Examples:
      autoshrink plan vgg16 --devices tpu-boards
      autoshrink plan shrinkcnn-a --preset paper --devices tpu-boards --out plan.json
      autoshrink plan shrinkrnn --preset paper --devices tpu-boards
    """
    from autoshrink.planner import device_file, outcome
    from autoshrink.planner.planning import Method, Settings

    array = device_file.read(devices)
    given = _read(network, files, settings, preset, batch, image_size, time_steps)
    slowness = None
    if calibrate is not None:
        from autoshrink.planner.readers import profiling

        speeds = {leaf.name: leaf.speed for leaf in array.root.leaves()}
        if given.measure is None or calibrate not in speeds:
            known = ", ".join(sorted(speeds))
            raise UserError(f"--calibrate {calibrate}: no ONNX file, and one of: {known}")
        slowness = profiling.slowness(given.network, given.measure(), PROFILED_BATCH, speeds[calibrate])
    chosen = Settings(
        Method(method),
        "equal" if shares == "equal" else "balanced",
        optimizer_numbers=optimizer_numbers,
        slowness=slowness,
    )
    if out is None:
        made = outcome.make(given.network, array, chosen, calibrate)
    else:
        about = {"network": network, "devices": devices, "batch": batch, "method": method, "shares": shares}
        inputs = [path for path in (Path(network), Path(devices)) if path.is_file()]
        with step("plan", out, inputs=inputs, subject=about, parameters=given.parameters, task=given.task):
            made = outcome.make(given.network, array, chosen, calibrate)
            made.save(out)
    if as_json:
        click.echo(json.dumps(made.to_json(), indent=1))
    else:
        _print(made)


@dataclass(frozen=True)
class _Given:
    """What is planned: the network, how its products are timed here, and the parameters that it depends on."""

    network: "Network"
    measure: "Callable[[], Seconds] | None" = None
    parameters: "Parameters | None" = None
    task: Task | None = None


def _read(
    network: str,
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    preset: str | None,
    batch: int,
    image_size: int,
    time_steps: int | None,
) -> _Given:
    """Return the network of that name or file. Raises UserError."""
    from autoshrink.cells import released

    if network.endswith(".onnx"):
        from autoshrink.planner.readers import onnx_files

        if not Path(network).is_file():
            raise UserError(f"{network}: there is no such file")
        given = _Given(onnx_files.read(Path(network), batch))
    elif network in {*released.names(), *released.cells()} or Path(network).exists():
        given = _of_cell(network, files, settings, preset, batch, time_steps)
    else:
        from autoshrink.planner.readers import modules

        given = _traced(network, modules.torchvision_module(network), (3, image_size, image_size), batch)
    if time_steps is not None and given.network.loop is None:
        raise UserError(f"--time-steps {time_steps}: {network} has no loop over time; leave it out")
    return given


def _of_cell(
    name: str,
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    preset: str | None,
    batch: int,
    time_steps: int | None,
) -> _Given:
    from autoshrink.cli import cell_argument, cost
    from autoshrink.params.language import LanguageNetwork, LanguageTraining
    from autoshrink.tasks.spec import spec_of

    cell = cell_argument.find(name).canonical()
    task = cost.task_of(cell)
    # a released network of several cells is no recipe's: it is planned as it was released
    is_released = preset is not None or cell_argument.is_network(name)
    parameters = None if is_released else options.load(files, settings)
    setting = cost.released_setting(name, cell) if parameters is None else cost.trained_setting(parameters, cell)
    if isinstance(setting.network, LanguageNetwork):
        from autoshrink.planner.readers import profiling, recurrent

        recipe = LanguageTraining() if parameters is None else spec_of(task).training(parameters)
        steps = recipe.bptt.length if time_steps is None else time_steps  # by default the paper's
        unrolled = recurrent.read(name, cell, setting.network, setting.example["vocabulary"], steps, batch)
        return _Given(unrolled, lambda: profiling.measure_products(unrolled, PROFILED_BATCH), parameters, task)
    module, inputs = spec_of(task).example_network(cell, setting.network, setting.example)
    return _traced(name, module, tuple(inputs[0].shape[1:]), batch, parameters, task)


def _traced(
    name: str,
    module: "nn.Module",
    shape: tuple[int, ...],
    batch: int,
    parameters: "Parameters | None" = None,
    task: Task | None = None,
) -> _Given:
    from autoshrink.planner.readers import modules, profiling

    found = modules.read(name, module, shape, batch)
    measure = lambda: profiling.measure(module, found, shape, PROFILED_BATCH)  # noqa: E731
    return _Given(found, measure, parameters, task if parameters else None)


def _print(made: "Plan") -> None:
    weighted = [index for index, (_, kind) in enumerate(made.layers) if kind != "join"]
    click.echo(
        f"{made.network}: {len(weighted)} layers with weights, {made.weights / 1e6:.4g} M weights, "
        f"{made.macs / 1e6:.4g} M MACs an example, {made.batch} examples a step"
        + (f", an example is {made.time_steps} time steps" if made.time_steps else "")
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
    if any(kind for level in levels for kind in level.types):
        click.echo(
            "Types II and III are planned, not executed: the final training divides batches alone (type I). As DTensor "
            "placements torch runs them for dense layers and embeddings, and gives wrong outputs for convolutions."
        )
