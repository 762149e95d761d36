"""One training step of ShrinkRNN at the paper's size on one CPU thread: ours, the plain loop, and what the CPU can do.

    python -m benchmarks.language_step --out benchmarks/results/language-step-cpu.csv

Both train the same weights on the same words, in turn, without dropout, with SGD and clipped gradients; losses are
compared. Seconds are of CPU, so that a busy neighbour costs less than in wall-clock time. A step is nearly all matrix
products, whose number follows from the network: the roofline is what they would take at the rate of the largest one.
"""

import datetime
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import click

from autoshrink.runtime import numerics

from . import tables

COLUMNS = ("date", "device", "numerics", "hidden", "way", "cpu_seconds_per_step", "times_plain", "share_of_roofline")


@click.command()
@click.option("--hidden", default=850, show_default=True)
@click.option("--batch", default=64, show_default=True)
@click.option("--length", default=35, show_default=True)
@click.option("--vocabulary", default=10000, show_default=True)
@click.option("--steps", default=3, show_default=True, help="Steps of each way; the median counts.")
@click.option("--numerics", "mode", type=click.Choice(["portable", "native"]), default="portable", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(hidden: int, batch: int, length: int, vocabulary: int, steps: int, mode: numerics.Mode, out: Path) -> None:
    """Measure, print and append to the CSV file."""
    mode = numerics.apply(mode)
    import torch

    from autoshrink.cells import released
    from autoshrink.params.language import LanguageNetwork
    from autoshrink.params.root import Compute
    from autoshrink.runtime import devices, products
    from autoshrink.tasks.language import network, recurrent, sequences

    from . import loops, plain

    device = devices.pick(Compute(device="cpu", threads=1))
    cell = released.load("shrinkrnn").cells[0]
    settings = LanguageNetwork(embedding=hidden, hidden=hidden)
    ours = network.build(cell, settings, [str(word) for word in range(vocabulary)], 1)
    theirs = plain.PlainLanguageModel(cell, ours)
    text_LB = torch.randint(vocabulary, (length + 1, batch), generator=torch.Generator().manual_seed(1))
    state_BN = torch.zeros(batch, hidden)

    def our_loss() -> torch.Tensor:
        return sequences.loss(ours, text_LB, state_BN).objective

    def plain_loss() -> torch.Tensor:
        logits_TBV, _ = theirs(text_LB[:-1], state_BN)
        return torch.nn.functional.cross_entropy(logits_TBV.flatten(0, 1), text_LB[1:].flatten())

    ways: dict[str, tuple[torch.nn.Module, Callable[[], torch.Tensor]]] = {
        "plain loop": (theirs, plain_loss),
        "ours": (ours, our_loss),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    optimizers = {way: torch.optim.SGD(module.parameters(), 1.0) for way, (module, _) in ways.items()}
    first: dict[str, float] = {}
    for number in range(steps + 1):
        for way, (module, loss_of) in ways.items():
            started = time.process_time()
            loss = loss_of()
            optimizers[way].zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(module.parameters(), 0.25)
            optimizers[way].step()
            if number:  # the first warms up
                seconds[way].append(time.process_time() - started)
            else:
                first[way] = loss.item()
    assert abs(first["ours"] - first["plain loop"]) < 1e-4 * first["plain loop"], first

    edges = len(recurrent.Plan.of(cell).edges)
    weights = 2 * hidden * hidden * (edges + 2) + vocabulary * hidden  # W0's two halves, an edge's gate and candidate
    operations = 3 * 2 * weights * batch * length  # forward, by the inputs and by the weights
    left, right = torch.rand(vocabulary, hidden), torch.rand(hidden, length * batch)
    products.product(left, right)
    started = time.process_time()
    products.product(left, right)
    rate = 2 * left.numel() * right.shape[1] / (time.process_time() - started)
    limit = operations / rate
    click.echo(f"{operations / 1e9:.0f} GFLOP a step; at {rate / 1e9:.0f} GFLOP/s they take {limit:.2f} s")
    base = statistics.median(seconds["plain loop"])
    for way, taken in seconds.items():
        median = statistics.median(taken)
        date = datetime.datetime.now(datetime.UTC).date().isoformat()
        about = [date, loops.device_name(device), mode, hidden, way]
        measured = [f"{median:.3f}", f"{base / median:.2f}", f"{limit / median:.2f}"]
        tables.append(out, COLUMNS, [dict(zip(COLUMNS, [*about, *measured], strict=True))])
        click.echo(f"{way}: {median:.2f} CPU s a step, {base / median:.2f} x plain, {limit / median:.0%} of roofline")


if __name__ == "__main__":
    main()
