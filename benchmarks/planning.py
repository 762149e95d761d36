"""How long planning takes, how that grows, and what plans come to on 128 + 128 unequal boards; a table in Markdown.

python benchmarks/planning.py > benchmarks/planning.md
"""

import math
import platform
import resource
import time
from dataclasses import replace
from pathlib import Path

from autoshrink.cells import released
from autoshrink.params.language import LanguageNetwork
from autoshrink.params.vision import ImageNetwork
from autoshrink.planner import device_file, published
from autoshrink.planner.array import Accelerator, Array, Group, joined, uniform
from autoshrink.planner.fitting import best_plan
from autoshrink.planner.layers import Kind, Layer, Network, chain
from autoshrink.planner.planning import Method, Settings, Shares
from autoshrink.planner.readers import modules, recurrent
from autoshrink.planner.timing import Costing
from autoshrink.tasks.vision import network as images


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, one of {len(names)} cores" if names else platform.processor()


def convolutions(layers: int) -> Network:
    """Return a chain of so many 3 x 3 convolutions, ever wider."""
    made = []
    channels, side = 3, 64
    for index in range(layers):
        width = 64 * 2 ** (4 * index // layers)
        made.append(Layer(f"conv{index}", Kind.CONVOLUTION, channels, width, 9, side**2, side**2, ()))
        channels = width
    return chain(f"{layers} convolutions", 4096, made)


def boards(levels: int) -> Array:
    """Return an array of two kinds of board, half of each, split ``levels`` times."""
    kinds = [Accelerator("slow", 180e12, 64e9, 1e9), Accelerator("fast", 420e12, 128e9, 2e9)]
    count = 2 ** (levels - 1)
    return Array(f"{count} + {count} boards", joined([uniform(kind, count) for kind in kinds]))


def all_different(levels: int) -> Array:
    """Return 2^levels devices of which no two are equal, so that no half is planned for another."""
    count = 2**levels
    devices = [
        Group(Accelerator(f"a{index}", (180 + index) * 1e12, 64e9, 1e9 * (1 + index / count))) for index in range(count)
    ]
    return Array(f"{count} different devices", joined(devices))


def timed(
    network: Network, array: Array, method: Method = Method.ACCPAR, shares: Shares = "balanced"
) -> tuple[float, float]:
    """Return the CPU seconds of planning, and the seconds of the planned step."""
    settings = Settings(method, shares)
    start = time.process_time()
    plan = best_plan(network, array, settings)
    taken = time.process_time() - start
    return taken, Costing(network, array, settings).parts(plan).total / 1e12


def shrinkcnn() -> Network:
    """Return ShrinkCNN-A as it was released for ImageNet."""
    found = released.load("shrinkcnn-a")
    assert isinstance(found.network, ImageNetwork)
    module = images.skeleton(found.cell, found.network, found.example["channels"], found.example["classes"])
    return modules.read("ShrinkCNN-A", module, (3, 224, 224), 512)


def shrinkrnn() -> Network:
    """Return ShrinkRNN as it was released for the Penn Treebank, over the paper's 35 time steps."""
    found = released.load("shrinkrnn")
    assert isinstance(found.network, LanguageNetwork)
    return recurrent.read("ShrinkRNN", found.cell, found.network, found.example["vocabulary"], 35, 512)


def mean(values: list[float]) -> float:
    """Return the geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def main() -> None:
    """Print the tables."""
    print("# Planning: time, growth, and plans at scale\n")
    print(f"`python benchmarks/planning.py > benchmarks/planning.md` on {processor()}.\n")
    tpu = device_file.read("tpu-boards")
    print(f"## Plans for {tpu.name}, batches of 512, steps in ms (planned, not measured)\n")
    print("| network | layers | data | OWT | HyPar | AccPar | AccPar over data | planning AccPar, CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    for network in (
        shrinkcnn(),
        shrinkrnn(),
        *(modules.torchvision_network(name, 224, 512) for name in ("vgg16", "resnet50")),
    ):
        steps: dict[Method, float] = {}
        for method in Method:
            seconds, steps[method] = timed(network, tpu, method, "balanced" if method is Method.ACCPAR else "equal")
        row = " | ".join(f"{steps[method] * 1e3:.3g}" for method in Method)
        faster = steps[Method.DATA] / steps[Method.ACCPAR]
        print(f"| {network.name} | {len(network.weighted)} | {row} | {faster:.2f} | {seconds:.2f} |")
    print("\nData, OWT and HyPar with equal shares, as published; AccPar with balanced ones.\n")
    print("## CPU seconds of planning AccPar with balanced shares, by one thread\n")
    print("| varied | layers | levels | devices | seconds |\n|---|---|---|---|---|")
    for layers in (25, 50, 100, 200, 400):
        print(f"| layers | {layers} | 8 | 256 | {timed(convolutions(layers), boards(8))[0]:.2f} |")
    for levels in (1, 2, 4, 6, 8, 10):
        print(f"| levels | 200 | {levels} | {2**levels} | {timed(convolutions(200), boards(levels))[0]:.2f} |")
    for levels in (2, 4, 6, 8):
        seconds = timed(convolutions(200), all_different(levels))[0]
        print(f"| devices, all different | 200 | {levels} | {2**levels} | {seconds:.2f} |")
    print(
        "\nTime grows in proportion to layers. With levels it grows slowly where devices are of few kinds, since equal "
        "halves are planned once, and\nin proportion to devices where no two are alike: those of one level are planned "
        "together."
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nPeak memory of the process, PyTorch included: {peak:.0f} MiB.\n")
    print("## Geometric means over data parallelism of AccPar's nine networks, by this planner's time\n")
    print("| array | OWT, equal | HyPar, equal | AccPar, equal | AccPar, balanced |\n|---|---|---|---|---|")
    one_link = replace(tpu, root=_linked(tpu.root, 1))
    for name, array in (("tpu-boards", tpu), ("tpu-boards, one link a split", one_link)):
        ratios: dict[tuple[Method, Shares], list[float]] = {}
        for network in published.networks():
            data = timed(network, array, Method.DATA, "equal")[1]
            wanted: list[tuple[Method, Shares]] = [(method, "equal") for method in list(Method)[1:]]
            for method, shares in [*wanted, (Method.ACCPAR, "balanced")]:
                step = _step(network, array, method, shares)
                ratios.setdefault((method, shares), []).append(data / step)
        print(f"| {name} | " + " | ".join(f"{mean(values):.2f}" for values in ratios.values()) + " |")
    print("\nPublished: 2.98, 3.78 and 6.30; by communicated elements alone (equal shares): 2.98, 3.78 and 4.25.")


def _step(network: Network, array: Array, method: Method, shares: Shares) -> float:
    # small networks run out of channels below 256 boards; the published conventions divide on
    settings = Settings(method, shares, whole=False)
    return Costing(network, array, settings).parts(best_plan(network, array, settings)).total / 1e12


def _linked(group: Group, links: int) -> Group:
    """Return the group with so many links at each split."""
    if group.sides is None:
        return group
    first, second = group.sides
    changed = _linked(first, links)
    return Group(None, (changed, changed if second == first else _linked(second, links)), links)


if __name__ == "__main__":
    main()
