"""Int8 models: smaller, nearly as good, and never judged on the test split."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner

from autoshrink.cli import main
from autoshrink.cli.root import autoshrink
from autoshrink.errors import DataError
from autoshrink.export import formats
from autoshrink.export.quantisation import Quantised
from autoshrink.inference import models
from autoshrink.inference.models import deployment_of
from autoshrink.params.base import Task
from autoshrink.tasks import models as task_models
from autoshrink.tasks.vision import data as images
from autoshrink.tasks.vision.records import ImageModel
from autoshrink.tasks.vision.rounded import RoundedLearner
from autoshrink.training.events import EpochEnded, TrainingEvent


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


def test_no_validation_images_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model trained on all images has nothing to be calibrated on; that is told before anything is written."""
    trained = models.find(run / "results", Task.CNN)
    told = trained.description
    recipe = {**told.origin.recipe, "validation_per_class": 0}
    without = told.model_copy(update={"origin": told.origin.model_copy(update={"recipe": recipe})})
    monkeypatch.setattr(ImageModel, "of", lambda folder: without)
    with pytest.raises(DataError, match=r"no validation images were held out .*validation_per_class above 0"):
        deployment_of(trained, "export").calibration(trained.folder, run / "data" / "digits")
    places = ["--data", str(run / "data" / "digits"), "--out", str(tmp_path / "out")]
    words = ["export", str(run / "results"), "--task", "cnn", "--format", "onnx", "--format", "onnx-int8", *places]
    done = CliRunner().invoke(autoshrink, words)
    assert done.exit_code == 1 and "no validation images" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_the_card_says_what_int8_costs(run: Path, tmp_path: Path) -> None:
    """Accuracy, size and latency, before and after, on the card and in the terminal."""
    places = ["--data", str(run / "data" / "digits"), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(autoshrink, ["export", str(run / "results"), "--format", "onnx-int8", *places])
    assert done.exit_code == 0, done.output
    assert "accuracy on" in done.output and "size of the file" in done.output
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| | float | int8 |" in card and "model.int8.onnx" in card


@pytest.fixture(scope="module")
def lossy(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image model with the same outputs in float, but one channel between two convolutions 500 times as large and
    its weights a 500th: one scale for the whole tensor leaves the other channels no steps."""
    folder = tmp_path_factory.mktemp("models") / "lossy"
    trained = models.find(run / "results", Task.CNN)
    shutil.copytree(trained.folder, folder)
    weights = task_models.weights(trained.folder, trained.description)
    for name in [name for name in weights if name.endswith("depthwise.norm.weight")]:
        node = name.removesuffix("depthwise.norm.weight")
        for part in ("weight", "bias"):
            weights[f"{node}depthwise.norm.{part}"][0] *= 500
        weights[f"{node}pointwise.conv.weight"][:, 0] /= 500
    task_models.save(folder, weights, trained.description)
    return folder


def test_fine_tuning_wins_back_what_int8_loses(run: Path, lossy: Path, tmp_path: Path) -> None:
    """Told before and after, in the terminal and on the card; the model itself stays as it was."""
    before = {path.name: path.read_bytes() for path in lossy.iterdir() if path.is_file()}
    places = ["--data", str(run / "data" / "digits"), "--out", str(tmp_path / "out")]
    asked = ["export", str(lossy), "--format", "onnx-int8", "--fine-tune", "2", *places]
    done = CliRunner().invoke(autoshrink, asked)
    assert done.exit_code == 0, done.output
    card = (tmp_path / "out" / "README.md").read_text()
    row = r"fine-tuned for 2 epochs \| ([\d.]+) % \| ([\d.]+) % \|\n\| the same without fine-tuning \|  \| ([\d.]+) %"
    found = re.search(row, card)
    assert found is not None, card
    in_float, tuned, untuned = map(float, found.groups())
    assert in_float > 90 and tuned > untuned + 10
    assert "fine-tuning, epoch 2: accuracy" in done.output
    assert "also after 2 epochs of fine-tuning" in done.output
    facts = {item.key: item.value for item in onnx.load(str(tmp_path / "out" / "model.int8.onnx")).metadata_props}
    assert facts["weights_sha256"] == ImageModel.of(lossy).weights_sha256
    assert facts["fine_tuned_epochs"] == "2"
    assert len(facts["fine_tuned_weights_sha256"]) == 64
    assert facts["fine_tuned_weights_sha256"] != facts["weights_sha256"]
    assert "so it is optimistic" in card and "on the test split" in card
    assert not (tmp_path / "out" / formats.TUNING).exists()
    assert {path.name: path.read_bytes() for path in lossy.iterdir() if path.is_file()} == before


@pytest.mark.slow
def test_interrupted_fine_tuning_goes_on(run: Path, lossy: Path, tmp_path: Path) -> None:
    """From the end of the last epoch, to the same bytes; never from another model's checkpoint."""
    data, trained = run / "data" / "digits", models.find(lossy)
    inputs = deployment_of(trained, "export").inputs(lossy, data)
    seen: list[int] = []

    def stop(event: TrainingEvent) -> None:
        raise KeyboardInterrupt

    def tell(event: TrainingEvent) -> None:
        if isinstance(event, EpochEnded):
            seen.append(event.epoch)

    with pytest.raises(KeyboardInterrupt):
        formats.write_int8(trained, inputs, data, tmp_path / "one", 2, stop)
    assert (tmp_path / "one" / formats.TUNING / "checkpoints").is_dir()
    found = formats.write_int8(trained, inputs, data, tmp_path / "one", 2, tell)
    assert seen == [1]
    assert [path.name for path in (tmp_path / "one").iterdir()] == [found.path.name]
    whole = formats.write_int8(trained, inputs, data, tmp_path / "whole", 2)
    assert found.path.read_bytes() == whole.path.read_bytes()
    folders = lossy, models.find(run / "results", Task.CNN).folder
    one, other = (RoundedLearner(folder, images.load(data), 2).identity for folder in folders)
    assert one != other


def test_what_int8_loses_names_the_option() -> None:
    """More than a point; and where fine-tuning is no better, that is said and the file has none."""
    lost = Quantised("accuracy", 100, 0.9, 0.88, 10, 5, 1.0, 0.5)
    assert lost.remark == (
        "int8 loses 2.0 points of accuracy; --fine-tune EPOCHS trains the model on as int8, 5 epochs for instance"
    )
    same = lost.with_tuned(replace(lost, int8_quality=0.87), 3)
    assert same.int8_quality == 0.88
    assert str(same.remark).endswith("3 epochs of fine-tuning are no better (87.00 %), so the file has none")
    better = lost.with_tuned(replace(lost, float_quality=0.91, int8_quality=0.895), 3)
    assert (better.float_quality, better.int8_quality, better.remark) == (0.9, 0.895, None)
    assert replace(lost, int8_quality=0.895).remark is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "onnx", "--fine-tune", "2"], "--fine-tune 2: is for --format onnx-int8"),
        (["--format", "onnx-int8", "--fine-tune", "2", "--task", "rnn"], "--fine-tune 2: is for image models"),
    ],
)
def test_fine_tuning_where_there_is_nothing_to_tune_is_one_line(
    run: Path, tmp_path: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written."""
    task = "tale" if "rnn" in arguments else "digits"
    data = ["--data", str(run / "data" / task)]
    with pytest.raises(SystemExit, match="2"):
        main(["export", str(run / "results"), *arguments, *data, "--out", str(tmp_path / "out")])
    told = capsys.readouterr().err.strip()
    assert says in told and "\n" not in told
    assert not (tmp_path / "out").exists()
