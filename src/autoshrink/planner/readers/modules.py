"""Networks read from torch modules by symbolic tracing, shapes only."""

import math
import operator
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from autoshrink.errors import UserError
from autoshrink.planner.layers import Kind, Network
from autoshrink.planner.operations import Operation, Weighted, to_network, unknown

# names of what keeps elements where they are, pools, or reorders them; torch's modules and functions share most
PASSES = frozenset(
    [
        "relu",
        "relu_",
        "relu6",
        "silu",
        "sigmoid",
        "hardswish",
        "hardsigmoid",
        "hardtanh",
        "gelu",
        "elu",
        "leakyrelu",
        "leaky_relu",
        "tanh",
        "softmax",
        "logsoftmax",
        "log_softmax",
        "prelu",
        "mish",
        "batchnorm2d",
        "batchnorm1d",
        "batch_norm",
        "groupnorm",
        "layernorm",
        "layernorm2d",
        "layer_norm",
        "localresponsenorm",
        "dropout",
        "dropout2d",
        "alphadropout",
        "stochastic_depth",
        "identity",
        "maxpool2d",
        "avgpool2d",
        "max_pool2d",
        "max_pool2d_with_indices",
        "avg_pool2d",
        "adaptiveavgpool2d",
        "adaptive_avg_pool2d",
        "adaptivemaxpool2d",
        "mean",
        "flatten",
        "view",
        "reshape",
        "permute",
        "transpose",
        "contiguous",
        "getitem",
        "chunk",
        "split",
        "unsqueeze",
        "squeeze",
        "clone",
        "to",
        "float",
        "pad",
        "zeropad2d",
        "unflatten",
        "channel_shuffle",
        "sub",
        "div",
        "truediv",
    ]
)
JOINS = frozenset(["add", "iadd", "add_", "mul", "imul", "mul_", "multiply"])
CONCATENATIONS = frozenset(["cat", "concat", "concatenate"])
IGNORED = frozenset(["size", "getattr", "floordiv", "dim"])


def read(name: str, module: nn.Module, shape: tuple[int, ...], batch: int) -> Network:
    """Return the network of ``module`` for examples of ``shape`` (channels, height, width), in batches of ``batch``.

    Raises UserError where the module cannot be traced, or has an operator that the planner does not know.
    """
    module = module.to("meta").eval()
    try:
        traced = fx.symbolic_trace(module)
        ShapeProp(traced).propagate(torch.empty(1, *shape, device="meta"))
    except (TypeError, RuntimeError, ValueError, fx.proxy.TraceError) as error:
        told = " ".join(str(error).split())[:200]
        raise UserError(f"{name}: cannot be traced as one graph for examples of {shape} ({told})") from None
    return to_network(name, batch, _operations(name, traced))


def torchvision_network(name: str, size: int, batch: int) -> Network:
    """Return torchvision's classifier of this name for images of ``size`` x ``size``, 3 colours."""
    return read(name, torchvision_module(name), (3, size, size), batch)


def torchvision_module(name: str) -> nn.Module:
    """Return torchvision's classifier of this name, without weights. Raises UserError where there is none."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        some = ", ".join(item for item in known if item in ("alexnet", "mobilenet_v2", "resnet50", "vgg16"))
        raise UserError(
            f"{name}: neither a file, nor a released cell, nor a classifier of torchvision's; "
            f"there are {len(known)} of those, such as {some}"
        )
    extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: nn.Module = models.get_model(name, weights=None, **extra)
    return module


def _operations(model: str, traced: fx.GraphModule) -> list[Operation]:
    found: list[Operation] = []
    places: dict[fx.Node, int] = {}
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            places[node] = -1
            continue
        if node.op in ("output", "get_attr"):
            continue
        label = str(node.target) if node.op == "call_module" else node.name
        target: Any = modules[str(node.target)] if node.op == "call_module" else node.target
        kind = _word(target)
        if kind in IGNORED or (kind == "getitem" and "tensor_meta" not in node.meta):
            continue
        inputs = tuple(places[item] for item in node.all_input_nodes if item in places)
        if not inputs:
            continue  # arithmetic on sizes
        if not _is_tensor(node) and kind not in ("chunk", "split"):
            if "tensor_meta" not in node.meta:
                continue
            raise unknown(model, label, type(target).__name__ if node.op == "call_module" else kind)
        elements = _elements(node)
        places[node] = len(found)
        if isinstance(target, nn.Conv2d | nn.Linear):
            found.append(Operation(label, inputs, elements, _weighted(target, node)))
        elif kind in JOINS:
            found.append(Operation(label, inputs, elements, joins=True))
        elif kind in CONCATENATIONS or kind in PASSES:
            found.append(Operation(label, inputs, elements))
        else:
            raise unknown(model, label, type(target).__name__ if node.op == "call_module" else kind)
    return found


def _word(target: nn.Module | Callable[..., Any] | str) -> str:
    """Return the name by which an operator is known here."""
    if isinstance(target, nn.Module):
        return type(target).__name__.lower()
    if isinstance(target, str):
        return target
    if target is operator.getitem:
        return "getitem"
    return target.__name__


def _is_tensor(node: fx.Node) -> bool:
    return hasattr(node.meta.get("tensor_meta"), "shape")


def _shape(node: fx.Node) -> tuple[int, ...]:
    meta = node.meta["tensor_meta"]
    return tuple(meta.shape) if hasattr(meta, "shape") else tuple(meta[0].shape)


def _elements(node: fx.Node) -> int:
    if _is_tensor(node):
        return math.prod(_shape(node)[1:])
    return sum(math.prod(part.shape[1:]) for part in node.meta["tensor_meta"])


def _weighted(layer: nn.Conv2d | nn.Linear, node: fx.Node) -> Weighted:
    read, out = _shape(node.all_input_nodes[0]), _shape(node)
    if isinstance(layer, nn.Linear):
        steps = math.prod(read[1:-1])
        return Weighted(Kind.DENSE, layer.in_features, layer.out_features, 1, steps, steps)
    kernel = math.prod(layer.kernel_size)
    kind = Kind.DEPTHWISE if layer.groups > 1 else Kind.CONVOLUTION
    maps = math.prod(read[2:]), math.prod(out[2:])
    return Weighted(kind, layer.in_channels, layer.out_channels, kernel, *maps, layer.groups)
