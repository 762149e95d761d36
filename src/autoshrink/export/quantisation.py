"""Int8 models, quantised by onnxruntime's own tools from the float ONNX file, and what quantisation costs.

Image models statically: activations and weights are int8, scales of activations calibrated on validation images,
weights with a scale per output channel, in the QDQ format. Language models dynamically: weights are int8 and
activations scaled as they come.
"""

import contextlib
import io
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from autoshrink.errors import UserError
from autoshrink.tasks.deployment import AnyDeployment, Inputs

_WARM_UP, _RUNS = 10, 60

Run = Callable[[Inputs], Sequence[Tensor]]


@dataclass(frozen=True)
class Quantised:
    """A model before and after quantisation: quality on validation data, bytes of the files, latency."""

    metric: str
    """``accuracy``, a share, or ``perplexity``."""
    examples: int
    """Validation images or words."""
    float_quality: float
    int8_quality: float
    float_bytes: int
    int8_bytes: int
    float_ms: float
    """Median milliseconds of one example by onnxruntime on one thread of this machine."""
    int8_ms: float
    epochs: int = 0
    """Of quantisation-aware fine-tuning; 0: none was asked for."""
    untuned_quality: float | None = None
    """What int8 came to without it, where the file is fine-tuned."""
    tuned_quality: float | None = None
    """What int8 came to with it, where that is no better, and the file is not fine-tuned."""

    def with_tuned(self, tuned: "Quantised", epochs: int) -> "Quantised":
        """Return what stands beside the better of the two int8 files; ``tuned`` was fine-tuned for so many epochs."""
        if not self.is_improved_by(tuned):
            return replace(self, epochs=epochs, tuned_quality=tuned.int8_quality)
        return replace(
            tuned,
            float_quality=self.float_quality,
            float_bytes=self.float_bytes,
            float_ms=self.float_ms,
            epochs=epochs,
            untuned_quality=self.int8_quality,
        )

    def is_improved_by(self, tuned: "Quantised") -> bool:
        """Whether the fine-tuned model is better in int8."""
        return tuned.int8_quality > self.int8_quality

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """What differs, before and after, for people."""
        tuned = f", int8 fine-tuned for {self.epochs} epochs" if self.untuned_quality is not None else ""
        without = (
            []
            if self.untuned_quality is None
            else [("the same without fine-tuning", "", self._said(self.untuned_quality))]
        )
        return [
            (
                f"{self.metric} on {self.examples:,} validation examples{tuned}",
                self._said(self.float_quality),
                self._said(self.int8_quality),
            ),
            *without,
            ("size of the file", f"{self.float_bytes:,} bytes", f"{self.int8_bytes:,} bytes"),
            ("latency of one example, one thread, this machine", f"{self.float_ms:.3g} ms", f"{self.int8_ms:.3g} ms"),
        ]

    def _said(self, quality: float) -> str:
        return f"{100 * quality:.2f} %" if self.metric == "accuracy" else f"{quality:.4g}"

    @property
    def caveat(self) -> str | None:
        """A sentence where the validation examples chose the file, and so flatter it."""
        if self.untuned_quality is None:
            return None
        return (
            f"The int8 {self.metric} is the best of {self.epochs} epochs of fine-tuning, on the very images that "
            "calibrate the scales, so it is optimistic; believe the file's accuracy on the test split instead, over "
            "whose images the example above can be run"
        )

    @property
    def remark(self) -> str | None:
        """A line where quantisation costs more than a point of accuracy, or one per cent of perplexity."""
        lost = self.float_quality - self.int8_quality
        if self.metric == "accuracy" and lost > 0.01:
            told = f"int8 loses {100 * lost:.1f} points of accuracy"
            if self.untuned_quality is not None:
                return f"{told}, also after {self.epochs} epochs of fine-tuning"
            if self.tuned_quality is not None:
                said = f"{100 * self.tuned_quality:.2f} %"
                return f"{told}; {self.epochs} epochs of fine-tuning are no better ({said}), so the file has none"
            return f"{told}; --fine-tune EPOCHS trains the model on as int8, 5 epochs for instance"
        if self.metric == "accuracy" and self.tuned_quality is not None:
            said = f"{100 * self.tuned_quality:.2f} %"
            return f"{self.epochs} epochs of fine-tuning are no better ({said}), so the file has none"
        if self.metric == "perplexity" and self.int8_quality > 1.01 * self.float_quality:
            return f"int8 raises perplexity by {100 * (self.int8_quality / self.float_quality - 1):.1f} %"
        return None


def quantise(
    content: bytes, deployment: AnyDeployment, folder: Path, data: Path, example: Inputs
) -> tuple[bytes, Quantised]:
    """Return the float ONNX file ``content`` in int8, and what that costs, for the model in ``folder``.

    ``data`` is its prepared data set; ``example`` one input, whose latency is measured. Raises DataError where no
    validation data was held out, and UserError where onnxruntime's tools fail.
    """
    calibration = deployment.calibration(folder, data)
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        before, prepared, after = (Path(scratch) / name for name in ("float.onnx", "prepared.onnx", "int8.onnx"))
        before.write_bytes(content)
        try:
            if calibration is None:
                _dynamic(before, after)
            else:
                _static(before, prepared, after, deployment.signature.inputs, calibration)
        except Exception as error:  # the tools raise whatever they meet
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{folder} as onnx-int8: onnxruntime cannot quantise it ({reason})") from None
        quantised = with_facts(after.read_bytes(), content)
    metric, one, count = deployment.judge(folder, data, runner(content))
    _, other, _ = deployment.judge(folder, data, runner(quantised))
    found = Quantised(
        metric=metric,
        examples=count,
        float_quality=one,
        int8_quality=other,
        float_bytes=len(content),
        int8_bytes=len(quantised),
        float_ms=_latency(content, example),
        int8_ms=_latency(quantised, example),
    )
    return quantised, found


def runner(content: bytes, threads: int | None = None) -> Run:
    """Return a function that runs an ONNX file by onnxruntime, on as many CPU threads as torch by default."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]

    def run(inputs: Inputs) -> Sequence[Tensor]:
        given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
        return [torch.from_numpy(output) for output in session.run(None, given)]

    return run


def _static(before: Path, prepared: Path, after: Path, names: Sequence[str], calibration: Iterator[Inputs]) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quant_pre_process,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[Any]] | None:
            inputs = next(calibration, None)
            if inputs is None:
                return None
            return {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}

    quant_pre_process(str(before), str(prepared), skip_symbolic_shape=True)  # folds batch norm
    quantize_static(
        str(prepared),
        str(after),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
    )


def _dynamic(before: Path, after: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # the exporter notes shapes that transposing a weight makes untrue; onnxruntime infers them again
    model = onnx.load(str(before))
    _forget_notes(model.graph)
    onnx.save(model, str(before))
    # the loop over time is a subgraph
    options = {"EnableSubgraph": True, "MatMulConstBOnly": True}
    quantize_dynamic(str(before), str(after), weight_type=QuantType.QInt8, per_channel=True, extra_options=options)


def _forget_notes(graph: Any) -> None:
    """Remove the noted shapes of a graph's inner values, and where in Python its nodes are from, also in loops."""
    graph.ClearField("value_info")
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _forget_notes(attribute.g)


def with_facts(quantised: bytes, content: bytes, more: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """Return the int8 file with what ``content`` says of itself, which the tools may drop, and with ``more``."""
    import onnx

    model, source = onnx.load_from_string(quantised), onnx.load_from_string(content)
    del model.metadata_props[:]
    model.metadata_props.extend(source.metadata_props)
    for key, value in more.items():
        model.metadata_props.add(key=key, value=value)
    _forget_notes(model.graph)
    done: bytes = model.SerializeToString()
    return done


def _latency(content: bytes, example: Inputs) -> float:
    run = runner(content, threads=1)
    for _ in range(_WARM_UP):
        run(example)
    taken = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        run(example)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the tools' advice to themselves."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
