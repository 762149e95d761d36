"""Fuzzing of the reader of ONNX files: any file is a network that can be planned, or one line that names the file."""

import math
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from autoshrink.errors import UserError
from autoshrink.planner.readers import onnx_files

FUZZED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
# how many tensors each reads
OPERATORS = {
    "Conv": 2, "Gemm": 2, "MatMul": 2, "Add": 2, "Mul": 2, "Concat": 2, "Reshape": 2, "Expand": 2, "Gather": 2,
    "Relu": 1, "Flatten": 1, "Shape": 1, "NonZero": 1, "GlobalAveragePool": 1, "MaxPool": 1, "Transpose": 1,
}  # fmt: skip
ATTRIBUTES: dict[str, list[dict[str, Any]]] = {
    "Conv": [{}, {"group": 0}, {"group": 2}, {"group": -1}, {"strides": [2, 2]}],
    "Gemm": [{}, {"transB": 1}],
    "Concat": [{"axis": 0}, {"axis": 1}, {"axis": -1}],
    "MaxPool": [{"kernel_shape": [2, 2]}],
}
SIZES = st.sampled_from([1, 2, 4]) | st.sampled_from([0, 2**40, "batch"])


def values(name: str, shape: list[Any]) -> onnx.ValueInfoProto:
    """Return a tensor of this name and shape."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def weights(name: str, shape: list[int], kind: int) -> onnx.TensorProto:
    """Return a weight, or a size, of zeros."""
    return helper.make_tensor(name, kind, shape, [0] * math.prod(shape))


@st.composite
def models(draw: st.DrawFn) -> bytes:
    """A model of a few operators in a row, with shapes, weights and attributes that may or may not fit together."""
    kinds = st.sampled_from([TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT64])
    shapes = st.lists(st.sampled_from([1, 2, 4]) | st.just(0), max_size=4)
    fixed = [weights(f"w{number}", draw(shapes), draw(kinds)) for number in range(3)]
    there = ["x", "y", *(item.name for item in fixed)]
    nodes = []
    for number in range(draw(st.integers(1, 4))):
        operator = draw(st.sampled_from(sorted(OPERATORS)))
        inputs = [draw(st.sampled_from(there)) for _ in range(OPERATORS[operator])]
        name = draw(st.sampled_from(["", "one", "two\nlines", "x" * 5000]))
        attributes = draw(st.sampled_from(ATTRIBUTES.get(operator, [{}])))
        nodes.append(helper.make_node(operator, inputs, [f"{number}"], name=name, **attributes))
        there.append(f"{number}")
    given_shapes = [values(name, draw(st.lists(SIZES, max_size=4))) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", given_shapes, [values(there[-1], draw(st.lists(SIZES, max_size=4)))], fixed)
    return bytes(helper.make_model(graph).SerializeToString())


@st.composite
def chains(draw: st.DrawFn) -> bytes:
    """A model that holds together: convolutions and dense layers in a row, of drawn sizes; perhaps cut or flipped."""
    channels, side = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    shape = [draw(st.sampled_from([1, "batch"])), channels, side, side]
    fixed, nodes, last = [], [], "x"
    for number in range(draw(st.integers(1, 3))):
        wider = draw(st.integers(1, 4))
        fixed.append(
            helper.make_tensor(f"w{number}", TensorProto.FLOAT, [wider, channels, 1, 1], [0.0] * wider * channels)
        )
        nodes.append(helper.make_node("Conv", [last, f"w{number}"], [f"c{number}"], name=f"conv{number}"))
        nodes.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"]))
        channels, last = wider, f"r{number}"
    result = values(last, [shape[0], channels, side, side])
    model = helper.make_model(helper.make_graph(nodes, "g", [values("x", shape)], [result], fixed))
    content = bytearray(model.SerializeToString())
    damage = draw(st.sampled_from(["none", "cut", "flip"]))
    place = draw(st.integers(0, len(content) - 1))
    if damage == "cut":
        del content[place:]
    elif damage == "flip":
        content[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


@FUZZED
@given(content=models() | chains() | st.binary(max_size=60))
def test_any_bytes_are_a_network_or_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    try:
        found = onnx_files.read(path, 4)
    except UserError as error:
        assert "model.onnx" in str(error) and "\n" not in str(error) and len(str(error)) < 1500
        return
    assert found.weighted and found.batch == 4
    for layer in found.layers:
        sizes = (layer.in_channels, layer.out_channels, layer.kernel, layer.in_map, layer.out_map, layer.groups)
        assert all(size > 0 for size in sizes), layer
        assert all(source.elements > 0 for source in layer.sources), layer


def test_a_long_vector_asks_for_no_memory(tmp_path: Path) -> None:
    """300 bytes: a vector of 2^40 numbers that a shape could be computed from ended in a killed process."""
    nodes = [helper.make_node("Concat", ["x", "x"], ["y"], axis=0), helper.make_node("Relu", ["y"], ["z"])]
    graph = helper.make_graph(nodes, "g", [values("x", [2**40])], [values("z", [2**41])])
    (tmp_path / "long.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(UserError, match=r"long\.onnx: x has one dimension of 1,099,511,627,776; accepted: at most"):
        onnx_files.read(tmp_path / "long.onnx", 4)


@pytest.mark.parametrize(
    ("operator", "shape", "kernel", "result"),
    [
        ("MatMul", [2, 3, 4], [3, 4, 5], [2, 3, 5]),
        ("MatMul", [2, 4], [4], [2]),
        ("Conv", [2, 4, 3, 3], [0, 4, 1, 1], [2, 0, 3, 3]),
    ],
)
def test_weights_that_are_no_layers_are_named(
    operator: str, shape: list[int], kernel: list[int], result: list[int], tmp_path: Path
) -> None:
    """A stack of matrices, a vector and no channel at all are neither counted wrongly nor a traceback."""
    node = helper.make_node(operator, ["x", "w"], ["y"], name="layer")
    graph = helper.make_graph([node], "g", [values("x", shape)], [values("y", result)], [weights("w", kernel, 1)])
    (tmp_path / "odd.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(UserError, match=r"odd\.onnx: layer layer (multiplies|has an output of unknown shape)"):
        onnx_files.read(tmp_path / "odd.onnx", 4)
