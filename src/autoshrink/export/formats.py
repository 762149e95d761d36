"""Export a trained model and check the result against PyTorch on real inputs."""

import io
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autoshrink import __version__
from autoshrink.errors import DivergedError, UserError
from autoshrink.export import quantisation
from autoshrink.export.quantisation import Quantised, Run
from autoshrink.files import artifacts
from autoshrink.inference import models
from autoshrink.inference.models import Trained, deployment_of, load_model
from autoshrink.records.model import WEIGHTS
from autoshrink.tasks.deployment import AnyDeployment, Inputs
from autoshrink.training.events import Progress, TrainingEvent

TOLERANCE = 1e-4
"""Greatest difference from PyTorch that is accepted, absolute; relative to the greatest output where that exceeds 1."""
ONNX_OPSET = 20
INT8 = "onnx-int8"

FILES = {
    "onnx": "model.onnx",
    INT8: "model.int8.onnx",
    "torchscript": "model.torchscript.pt",
    "state-dict": WEIGHTS,
}


TUNING = ".fine-tuning"
"""Where, in the folder that is written into, the model trains on; removed once the int8 file is written."""


def _silent(event: TrainingEvent) -> None:
    """Tell nothing."""


@dataclass(frozen=True)
class Written:
    """A file that was written, and the greatest absolute difference of its outputs from PyTorch's on real inputs.

    An int8 file's outputs differ by design; ``quantised`` says what that costs.
    """

    format: str
    path: Path
    difference: float
    quantised: Quantised | None = None


def write_int8(
    trained: Trained, inputs: Sequence[Inputs], data: Path, folder: Path, epochs: int = 0, progress: Progress = _silent
) -> Written:
    """Write the model into ``folder`` as int8 ONNX, quantised and judged on the validation part of ``data``.

    With ``epochs`` it is also fine-tuned for so many while its numbers are rounded, and the better of the two is
    written; interrupted, the same call goes on from the last epoch's end. The float ONNX file that it is made from is
    compared with PyTorch first, as ``write`` does. Raises as ``write``, ``quantisation.quantise`` and the deployment's
    ``fine_tune`` do; nothing is then written.
    """
    deployment = deployment_of(trained, "export")
    example = min(inputs, key=lambda given: sum(tensor.numel() for tensor in given))

    def int8(model: Trained) -> tuple[bytes, Quantised]:
        with tempfile.TemporaryDirectory() as scratch:
            content = write(model, "onnx", inputs, Path(scratch)).path.read_bytes()
        return quantisation.quantise(content, deployment, model.folder, data, example)

    quantised, found = int8(trained)
    tuning = folder / TUNING
    if epochs:
        try:
            deployment.fine_tune(trained.folder, data, epochs, tuning, progress)
        except DivergedError:  # would again
            shutil.rmtree(tuning)
            raise
        own = models.find(tuning, trained.task)
        content, tuned = int8(own)
        if found.is_improved_by(tuned):
            # weights_sha256 stays that of the trained model, by which its lineage is found
            more = {
                "fine_tuned_epochs": str(epochs),
                "fine_tuned_weights_sha256": str(own.description.weights_sha256),
            }
            quantised = quantisation.with_facts(content, quantised, more)
        found = found.with_tuned(tuned, epochs)
    run, difference = quantisation.runner(quantised), 0.0
    reference = deployment.reference(load_model(trained.folder), trained.description)
    for given in inputs:
        with torch.no_grad():
            expected = _tuple(reference(*given))
        difference = max(
            difference, *(float((one - other).abs().max()) for one, other in zip(expected, run(given), strict=True))
        )
    path = folder / FILES[INT8]
    artifacts.write_bytes(path, quantised)
    if epochs:
        shutil.rmtree(tuning)
    return Written(INT8, path, difference, found)


def write(trained: Trained, format: str, inputs: Sequence[Inputs], folder: Path) -> Written:
    """Write the model into ``folder`` in ``format`` (of ``FILES``, but int8) and compare it with PyTorch on ``inputs``.

    ``inputs`` are real ones of different batch sizes, as the task's deployment gives them; the first serves as the
    example that is traced. Raises UserError where the outputs differ by more than ``TOLERANCE``; nothing is then
    written.
    """
    deployment = deployment_of(trained, "export")
    model = load_model(trained.folder)
    reference = deployment.reference(model, trained.description)
    content = _WRITERS[format](trained, deployment, model, inputs[0])
    difference = 0.0
    run = _RUNNERS[format](content, trained, deployment)
    for given in inputs:
        with torch.no_grad():
            expected = _tuple(reference(*given))
        for name, one, other in zip(deployment.signature.outputs, expected, run(given), strict=True):
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


def _onnx(trained: Trained, deployment: AnyDeployment, model: nn.Module, example: Inputs) -> bytes:
    signature = deployment.signature
    axes = {name: torch.export.Dim(name) for axes in signature.axes for name in axes.values()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes of the exporter to its own developers
        program = torch.onnx.export(
            deployment.for_onnx(model, trained.description),
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
    for key, value in _facts(trained, deployment).items():
        proto.metadata_props.add(key=key, value=value)
    content: bytes = proto.SerializeToString()
    return content


def _run_onnx(content: bytes, *_: Any) -> Run:
    import onnx

    onnx.checker.check_model(content)
    return quantisation.runner(content)


def _torchscript(trained: Trained, deployment: AnyDeployment, model: nn.Module, example: Inputs) -> bytes:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is frozen, and still what many load in C++
        script = deployment.scripted(model, trained.description, example)
        file = io.BytesIO()
        torch.jit.save(
            script, file, _extra_files={f"{key}.txt": value for key, value in _facts(trained, deployment).items()}
        )
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
    return (trained.folder / WEIGHTS).read_bytes()


def _run_state_dict(
    content: bytes, trained: Trained, deployment: AnyDeployment
) -> Callable[[Inputs], Sequence[Tensor]]:
    """Load the weights into a second, freshly made module."""
    import safetensors.torch

    model = load_model(trained.folder)
    for tensor in model.state_dict().values():
        tensor.zero_()
    # tied weights are kept once, so a language model's file lacks the decoder's
    missing, unexpected = model.load_state_dict(safetensors.torch.load(content), strict=False)
    assert not unexpected and missing in ([], ["decoder.weight"])
    second = deployment.reference(model, trained.description)

    def run(inputs: Inputs) -> Sequence[Tensor]:
        with torch.no_grad():
            return _tuple(second(*inputs))

    return run


def _facts(trained: Trained, deployment: AnyDeployment) -> dict[str, str]:
    """Return what an exported file says of itself, as text."""
    name, labels = deployment.labels(trained.description)
    return {
        "autoshrink": __version__,
        "task": str(trained.task),
        "dataset": trained.dataset,
        "weights_sha256": str(trained.description.weights_sha256),
        name: json.dumps(labels, ensure_ascii=False),
    }


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
