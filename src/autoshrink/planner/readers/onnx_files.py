"""Networks read from ONNX files: the graph and its shapes, no weights."""

import math
from pathlib import Path
from typing import Any

from autoshrink.errors import UserError
from autoshrink.planner.layers import Kind, Network
from autoshrink.planner.operations import Operation, Weighted, to_network, unknown

PASSES = frozenset(
    [
        "Relu",
        "LeakyRelu",
        "PRelu",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "Clip",
        "Tanh",
        "Softmax",
        "LogSoftmax",
        "Gelu",
        "Elu",
        "Mish",
        "Erf",
        "BatchNormalization",
        "InstanceNormalization",
        "GroupNormalization",
        "LayerNormalization",
        "LRN",
        "Dropout",
        "Identity",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "ReduceMean",
        "Flatten",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Slice",
        "Pad",
        "Cast",
        "Split",
        "Sub",
        "Div",
        "Pow",
        "Sqrt",
    ]
)
JOINS = frozenset(("Add", "Mul", "Sum"))
SIZES = frozenset(("Shape", "Constant", "ConstantOfShape", "Range"))
LONGEST_VECTOR = 2**20


def read(path: Path, batch: int) -> Network:
    """Return the network in an ONNX file, in batches of ``batch``; whatever batch the file has is left aside.

    Raises UserError where the file is no ONNX model, lacks shapes, or has an operator that the planner does not know.
    """
    try:
        import onnx
    except ImportError:
        raise UserError(f"{path}: reading ONNX needs the package onnx; install autoshrink[export]") from None
    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model)
        model = onnx.shape_inference.infer_shapes(model)
        _refuse_long_vectors(str(path), model.graph)
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except UserError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: is no valid ONNX model ({type(error).__name__}: {told})") from None
    return to_network(path.name, batch, _operations(str(path), graph))


def _refuse_long_vectors(model: str, graph: Any) -> None:
    """Raise UserError where a tensor of one dimension is longer than any shape or bias.

    To follow shapes that a model computes, ONNX keeps every number of such a tensor: a file of 300 bytes could ask for
    any time and memory.
    """
    for item in [*graph.input, *graph.value_info, *graph.output]:
        sizes = [size.dim_value for size in item.type.tensor_type.shape.dim]
        if len(sizes) == 1 and sizes[0] > LONGEST_VECTOR:
            raise UserError(
                f"{model}: {_shown(item.name)} has one dimension of {sizes[0]:,}; accepted: at most {LONGEST_VECTOR:,}"
            )


def _operations(model: str, graph: Any) -> list[Operation]:
    weights = {item.name: tuple(item.dims) for item in graph.initializer}
    shapes: dict[str, tuple[int, ...]] = {**weights}
    for item in [*graph.input, *graph.value_info, *graph.output]:
        if item.type.tensor_type.HasField("shape"):  # a tensor of any rank has none
            shapes.setdefault(item.name, tuple(size.dim_value for size in item.type.tensor_type.shape.dim))
    places = {item.name: -1 for item in graph.input if item.name not in weights}
    fixed = set(weights)
    found: list[Operation] = []
    for number, node in enumerate(graph.node):
        label = _shown(node.name) or f"{node.op_type}_{number}"
        data = [name for name in node.input if name in places]
        if node.op_type in SIZES or not data:
            fixed.update(node.output)
            if node.op_type not in SIZES and not all(name in fixed or not name for name in node.input):
                raise unknown(model, label, node.op_type)
            continue
        inputs = tuple(places[name] for name in data)
        elements = _elements(model, label, shapes, node.output[0])
        for name in node.output:
            places[name] = len(found)
        weighted = _weighted(model, label, node, shapes, weights)
        if weighted is not None:
            found.append(Operation(label, inputs[:1], elements, weighted))
        elif node.op_type in JOINS:
            found.append(Operation(label, inputs, elements, joins=True))
        elif node.op_type in PASSES or node.op_type == "Concat":
            found.append(Operation(label, inputs if node.op_type == "Concat" else inputs[:1], elements))
        else:
            raise unknown(model, label, node.op_type)
    return found


def _shown(name: str) -> str:
    """Return a name as a line can hold it: a file may name its layers and tensors anything."""
    words = " ".join(name.split())
    return words if len(words) <= 100 else f"{words[:60]}...{words[-37:]}"


def _elements(model: str, label: str, shapes: dict[str, tuple[int, ...]], name: str) -> int:
    shape = shapes.get(name)
    if shape is None or not all(size > 0 for size in shape[1:]):
        raise UserError(
            f"{model}: layer {label} has an output of unknown shape ({_shown(name)}); export the model with fixed "
            "sizes, the batch excepted"
        )
    return math.prod(shape[1:])


def _weighted(
    model: str, label: str, node: Any, shapes: dict[str, tuple[int, ...]], weights: dict[str, tuple[int, ...]]
) -> Weighted | None:
    if node.op_type not in ("Conv", "Gemm", "MatMul"):
        return None
    kernel = weights.get(node.input[1])
    if kernel is None:
        raise unknown(model, label, f"{node.op_type} of two tensors without weights")
    read, out = shapes.get(node.input[0], ()), shapes[node.output[0]]
    options = {item.name: item for item in node.attribute}
    if node.op_type == "Conv":
        groups = options["group"].i if "group" in options else 1
        kind = Kind.DEPTHWISE if groups > 1 else Kind.CONVOLUTION
        size, maps = math.prod(kernel[2:]), (math.prod(read[2:]), math.prod(out[2:]))
        fits = len(kernel) > 2 and len(read) == len(out) == len(kernel)
        found = Weighted(kind, kernel[1] * groups, kernel[0], size, *maps, groups) if fits else None
    else:
        turned = node.op_type == "Gemm" and "transB" in options and options["transB"].i
        steps = math.prod(read[1:-1])
        fits = len(kernel) == 2
        inner, outer = (kernel[::-1] if turned else kernel) if fits else (0, 0)
        found = Weighted(Kind.DENSE, inner, outer, 1, steps, steps) if fits else None
    sizes = [value for value in vars(found).values() if isinstance(value, int)] if found else [0]
    if found is None or min(sizes) < 1:
        raise UserError(
            f"{model}: layer {label} multiplies a tensor {list(read)} by weights {list(kernel)}, which is no "
            "convolution and no dense layer"
        )
    return found
