"""Int8 models: smaller, nearly as good, and never judged on the test split."""

from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner

from autoshrink.cli.root import autoshrink
from autoshrink.errors import DataError
from autoshrink.export import formats
from autoshrink.inference import models
from autoshrink.inference.models import deployment_of
from autoshrink.params.base import Task
from autoshrink.tasks.vision.records import ImageModel


def written(run: Path, task: Task, out: Path) -> tuple[formats.Written, bytes]:
    trained = models.find(run / "results", task)
    data = run / "data" / ("digits" if task is Task.CNN else "tale")
    inputs = deployment_of(trained, "export").inputs(trained.folder, data)
    found = formats.write_int8(trained, inputs, data, out)
    return found, found.path.read_bytes()


def test_an_image_model_is_int8_per_channel_and_nearly_as_good(run: Path, tmp_path: Path) -> None:
    """Convolutions read int8 weights with a scale per channel; accuracy falls by less than three points."""
    found, content = written(run, Task.CNN, tmp_path)
    assert found.quantised is not None
    graph = onnx.load_from_string(content).graph
    assert any(node.op_type == "QuantizeLinear" for node in graph.node)
    scales = [item for item in graph.initializer if item.name.endswith("_scale") and len(item.dims) == 1]
    assert any(item.dims[0] > 1 for item in scales), "per channel"
    assert found.quantised.metric == "accuracy" and found.quantised.examples > 100
    assert found.quantised.float_quality - found.quantised.int8_quality < 0.03
    assert min(found.quantised.float_ms, found.quantised.int8_ms) > 0
    assert written(run, Task.CNN, tmp_path)[1] == content, "the same bytes each time"


def test_a_language_model_is_quantised_dynamically(run: Path, tmp_path: Path) -> None:
    """Its weights are int8 also inside the loop over time; perplexity rises by less than five per cent."""
    found, content = written(run, Task.RNN, tmp_path)
    assert found.quantised is not None and found.quantised.metric == "perplexity"
    assert b"MatMulInteger" in content
    assert found.quantised.int8_quality < 1.05 * found.quantised.float_quality


def test_no_validation_images_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model trained on all images has nothing to be calibrated on."""
    trained = models.find(run / "results", Task.CNN)
    told = trained.description
    recipe = {**told.origin.recipe, "validation_per_class": 0}
    without = told.model_copy(update={"origin": told.origin.model_copy(update={"recipe": recipe})})
    monkeypatch.setattr(ImageModel, "of", lambda folder: without)
    with pytest.raises(DataError, match=r"no validation images were held out .*validation_per_class above 0"):
        deployment_of(trained, "export").calibration(trained.folder, run / "data" / "digits")


def test_the_card_says_what_int8_costs(run: Path, tmp_path: Path) -> None:
    """Accuracy, size and latency, before and after, on the card and in the terminal."""
    places = ["--data", str(run / "data" / "digits"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(autoshrink, ["export", str(run / "results"), "--format", "onnx-int8", *places])
    assert done.exit_code == 0, done.output
    assert "accuracy on" in done.output and "size of the file" in done.output
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| | float | int8 |" in card and "model.int8.onnx" in card
