"""Placements of types as DTensors, executed in two processes: layers of each type give what one process gives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autoshrink.planner.layers import Kind, Partition
from autoshrink.planner.placements import Placements, of

SCRIPT = """
import sys
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Partial, Replicate, Shard, distribute_tensor
from autoshrink.planner.layers import Kind, Partition
from autoshrink.planner.placements import of

PLACES = {"Shard(0)": Shard(0), "Shard(1)": Shard(1), "Replicate()": Replicate(), "Partial()": Partial()}
distributed.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,))
generator = torch.Generator().manual_seed(1)

def told(kind, partition, remark=""):
    if distributed.get_rank() == 0:
        print(f"{kind.value} {partition.numeral}{remark}", flush=True)

for kind, partition in [*((Kind.DENSE, kind) for kind in Partition), (Kind.CONVOLUTION, Partition.BATCH)]:
    dense = kind is Kind.DENSE
    x = torch.randn((8, 6) if dense else (8, 6, 5, 5), generator=generator)
    w = torch.randn((4, 6) if dense else (4, 6, 3, 3), generator=generator)
    layer = nn.functional.linear if dense else lambda x, w: nn.functional.conv2d(x, w, padding=1)
    x_alone, w_alone = x.clone().requires_grad_(), w.clone().requires_grad_()
    y_alone = layer(x_alone, w_alone)
    y_alone.square().sum().backward()
    places = of(kind, partition)
    x_shared = distribute_tensor(x, mesh, [PLACES[places.input]]).requires_grad_()
    w_shared = distribute_tensor(w, mesh, [PLACES[places.weight]]).requires_grad_()
    y_shared = layer(x_shared, w_shared)
    assert y_shared.placements == (PLACES[places.output],), (kind, partition, y_shared.placements)
    whole = y_shared.redistribute(mesh, [Replicate()]) if partition is Partition.INPUT else y_shared
    whole.square().sum().backward()
    # what AccPar says is summed over both sides: the weights' gradient (I), the output (II), the input's error (III)
    sums = [place.grad.placements[0].is_partial() for place in (w_shared, x_shared)]
    assert sums == [partition is Partition.BATCH, partition is Partition.OUTPUT], (kind, partition, sums)
    for shared, alone in ((y_shared, y_alone), (x_shared.grad, x_alone.grad), (w_shared.grad, w_alone.grad)):
        torch.testing.assert_close(shared.full_tensor(), alone, rtol=1e-5, atol=1e-5)
    told(kind, partition)
words = torch.randint(9, (8,), generator=generator)
for partition in (Partition.INPUT, Partition.OUTPUT):
    w = torch.randn((10, 6), generator=generator)
    w_alone = w.clone().requires_grad_()
    y_alone = nn.functional.embedding(words, w_alone)
    y_alone.square().sum().backward()
    places = of(Kind.EMBEDDING, partition)
    w_shared = distribute_tensor(w, mesh, [PLACES[places.weight]]).requires_grad_()
    y_shared = nn.functional.embedding(distribute_tensor(words, mesh, [PLACES[places.input]]), w_shared)
    (place,) = y_shared.placements
    assert place.is_partial() if places.output == "Partial()" else place == PLACES[places.output], place
    whole = y_shared.redistribute(mesh, [Replicate()])
    whole.square().sum().backward()
    for shared, alone in ((whole, y_alone), (w_shared.grad, w_alone.grad)):
        torch.testing.assert_close(shared.full_tensor(), alone, rtol=1e-5, atol=1e-5)
    told(Kind.EMBEDDING, partition)
for partition in (Partition.INPUT, Partition.OUTPUT):
    places = of(Kind.CONVOLUTION, partition)
    x, w = torch.randn((8, 6, 5, 5), generator=generator), torch.randn((4, 6, 3, 3), generator=generator)
    alone = nn.functional.conv2d(x, w, padding=1)
    x_shared, w_shared = (distribute_tensor(t, mesh, [PLACES[p]]) for t, p in ((x, places.input), (w, places.weight)))
    try:
        shared = nn.functional.conv2d(x_shared, w_shared, padding=1).full_tensor()
        is_right = shared.shape == alone.shape and torch.allclose(shared, alone, atol=1e-4)
    except (RuntimeError, NotImplementedError, AssertionError):
        is_right = False
    told(Kind.CONVOLUTION, partition, "" if is_right else " is wrong")
distributed.destroy_process_group()
"""


def test_two_processes_run_a_layer_of_each_type_as_one(tmp_path: Path) -> None:
    """Dense layers of types I, II and III, a convolution of type I, embeddings of types II and III.

    DTensor gives wrong outputs of convolutions of types II and III, as the documentation says: where that changes, this
    fails.
    """
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [
        "dense I",
        "dense II",
        "dense III",
        "convolution I",
        "embedding II",
        "embedding III",
        "convolution II is wrong",
        "convolution III is wrong",
    ]


@pytest.mark.parametrize("partition", list(Partition))
def test_a_join_has_no_partial_sums(partition: Partition) -> None:
    assert "Partial()" not in (of(Kind.JOIN, partition).output, of(Kind.DEPTHWISE, partition).output)
    assert of(Kind.DENSE, Partition.INPUT) == Placements("Shard(1)", "Shard(1)", "Partial()")
