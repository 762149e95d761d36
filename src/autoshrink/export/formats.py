"""Export a trained model and check the result against PyTorch on real inputs.

Shapes: B batch, C channels, H height, W width, T time steps, N hidden width.
"""

import io
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from autoshrink import __version__
from autoshrink.errors import UserError
from autoshrink.export.modules import ImageClassifier, LoopedModel, ScannedModel, Step
from autoshrink.files import artifacts
from autoshrink.inference.models import Trained, load_model
from autoshrink.params.base import Task
from autoshrink.tasks.language.network import LanguageModel
from autoshrink.tasks.vision.network import CellNetwork

TOLERANCE = 1e-4
"""Greatest difference from PyTorch that is accepted, absolute; relative to the greatest output where that exceeds 1."""
ONNX_OPSET = 20

Inputs = tuple[Tensor, ...]
FILES = {"onnx": "model.onnx", "torchscript": "model.torchscript.pt", "state-dict": "model.safetensors"}


@dataclass(frozen=True)
class Written:
    """A file that was written, and the greatest absolute difference of its outputs from PyTorch's on real inputs."""

    format: str
    path: Path
    difference: float


@dataclass(frozen=True)
class _Signature:
    """What a model takes and gives: names, and which axes may have any size."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    axes: tuple[dict[int, str], ...]


_SIGNATURES = {
    Task.CNN: _Signature(("pixels",), ("logits",), ({0: "batch"},)),
    Task.RNN: _Signature(("tokens", "state"), ("logits", "next_state"), ({0: "time", 1: "batch"}, {0: "batch"})),
}


def write(trained: Trained, format: str, inputs: Sequence[Inputs], folder: Path) -> Written:
    """Write the model into ``folder`` in ``format`` (a key of ``FILES``) and compare it with PyTorch on all ``inputs``.

    ``inputs`` are real ones of different batch sizes, of an image model (pixels (B, C, H, W) in [0, 1],), of a
    language model (tokens (T, B), state (B, N)); the first serves as the example that is traced. Raises UserError where
    the outputs differ by more than ``TOLERANCE``; nothing is then written.
    """
    model = load_model(trained.folder)
    reference = _reference(trained, model)
    signature = _SIGNATURES[trained.task]
    content = _WRITERS[format](trained, model, reference, signature, inputs[0])
    difference = 0.0
    run = _RUNNERS[format](content, trained, reference, signature)
    for given in inputs:
        with torch.no_grad():
            expected = _tuple(reference(*given))
        for name, one, other in zip(signature.outputs, expected, run(given), strict=True):
            apart = float((one - other).abs().max())
            accepted = TOLERANCE * max(1.0, float(one.abs().max()))
            if not apart <= accepted:
                raise UserError(
                    f"{trained.folder} as {format}: output {name!r} differs from PyTorch's by {apart:.2g}, more than "
                    f"{accepted:.2g}; nothing was written"
                )
            difference = max(difference, apart)
    path = folder / FILES[format]
    artifacts.write_bytes(path, content)
    return Written(format, path, difference)


def _reference(trained: Trained, model: nn.Module) -> nn.Module:
    """Return the PyTorch module that the written file must equal."""
    if trained.task is Task.RNN:
        return model
    facts = trained.description
    background = bool(facts["network"]["background_class"])
    return ImageClassifier(cast(CellNetwork, model), facts["mean"], facts["deviation"], background).eval()


def _onnx(trained: Trained, model: nn.Module, reference: nn.Module, signature: _Signature, example: Inputs) -> bytes:
    leaving = ScannedModel(cast(LanguageModel, model)).eval() if trained.task is Task.RNN else reference
    axes = {name: torch.export.Dim(name) for axes in signature.axes for name in axes.values()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes of the exporter to its own developers
        program = torch.onnx.export(
            leaving,
            example,
            dynamo=True,
            verbose=False,
            opset_version=ONNX_OPSET,
            input_names=list(signature.inputs),
            output_names=list(signature.outputs),
            dynamic_shapes=tuple({axis: axes[name] for axis, name in item.items()} for item in signature.axes),
        )
    assert program is not None
    proto = program.model_proto
    for key, value in _facts(trained).items():
        proto.metadata_props.add(key=key, value=value)
    content: bytes = proto.SerializeToString()
    return content


def _run_onnx(content: bytes, *_: Any) -> Callable[[Inputs], list[Tensor]]:
    import onnx
    import onnxruntime

    onnx.checker.check_model(content)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]

    def run(inputs: Inputs) -> list[Tensor]:
        given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return [torch.from_numpy(output) for output in session.run(None, given)]

    return run


def _torchscript(
    trained: Trained, model: nn.Module, reference: nn.Module, signature: _Signature, example: Inputs
) -> bytes:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is frozen, and still what many load in C++
        if trained.task is Task.CNN:
            script = torch.jit.trace(reference, example)  # type: ignore[no-untyped-call]
        else:
            language = cast(LanguageModel, model)
            tokens_TB, state_BN = example
            step = torch.jit.trace(  # type: ignore[no-untyped-call]
                Step(language).eval(), (language.embedding(tokens_TB[0]), state_BN)
            )
            script = torch.jit.script(LoopedModel(language, step).eval())
        file = io.BytesIO()
        torch.jit.save(script, file, _extra_files={f"{key}.txt": value for key, value in _facts(trained).items()})
    return file.getvalue()


def _run_torchscript(content: bytes, *_: Any) -> Callable[[Inputs], Sequence[Tensor]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        script = torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call]

    def run(inputs: Inputs) -> Sequence[Tensor]:
        with torch.no_grad():
            return _tuple(script(*inputs))

    return run


def _state_dict(trained: Trained, *_: Any) -> bytes:
    return (trained.folder / "model.safetensors").read_bytes()


def _run_state_dict(
    content: bytes, trained: Trained, reference: nn.Module, signature: _Signature
) -> Callable[[Inputs], Sequence[Tensor]]:
    """Load the weights into a second, freshly made module."""
    import safetensors.torch

    model = load_model(trained.folder)
    for tensor in model.state_dict().values():
        tensor.zero_()
    # tied weights are kept once, so a language model's file lacks the decoder's
    missing, unexpected = model.load_state_dict(safetensors.torch.load(content), strict=False)
    assert not unexpected and missing in ([], ["decoder.weight"])
    second = _reference(trained, model)

    def run(inputs: Inputs) -> Sequence[Tensor]:
        with torch.no_grad():
            return _tuple(second(*inputs))

    return run


def _facts(trained: Trained) -> dict[str, str]:
    """Return what a file says of itself, as text."""
    facts = {
        "autoshrink": __version__,
        "task": str(trained.task),
        "dataset": trained.dataset,
        "weights_sha256": str(trained.description["weights_sha256"]),
    }
    names = "classes" if trained.task is Task.CNN else "words"
    return {**facts, names: json.dumps(trained.description[names], ensure_ascii=False)}


def _tuple(outputs: Any) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


_WRITERS: dict[str, Callable[..., bytes]] = {
    "onnx": _onnx,
    "torchscript": _torchscript,
    "state-dict": _state_dict,
}
_RUNNERS: dict[str, Callable[..., Callable[[Inputs], Sequence[Tensor]]]] = {
    "onnx": _run_onnx,
    "torchscript": _run_torchscript,
    "state-dict": _run_state_dict,
}
