"""The model card: everything a taker must know, and examples that run."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoshrink.cells import drawing
from autoshrink.cells.cell import Cell
from autoshrink.cli import main
from autoshrink.errors import ArtifactError, UserError
from autoshrink.export import card, licences
from autoshrink.inference import models
from autoshrink.lineage import agreement
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.metrics import ModelMetrics
from autoshrink.tasks.spec import spec_of


def export(run: Path, out: Path, *words: str) -> int:
    before = Path.cwd()
    os.chdir(run)
    try:
        with pytest.raises(SystemExit) as stop:
            main(["export", "results", "--out", str(out), *words])
    finally:
        os.chdir(before)
    return int(stop.value.code or 0)


@pytest.mark.parametrize("task", list(Task))
def test_card_says_what_a_taker_must_know(task: Task, run: Path, tmp_path: Path) -> None:
    """The card has results, costs, data with its terms, digests; its drawing is there; its examples run."""
    formats = ["--format", "onnx", "--format", "torchscript", "--format", "state-dict"]
    assert export(run, tmp_path, "--task", str(task), *formats) == 0
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    trained = models.find(run / "results", task)
    preparing = {
        Task.CNN: ("resize it to 8 x 8 pixels", "Decode to grey", "Divide by 255", "| 9        | 9         |"),
        Task.RNN: ("separated by spaces and lowercase them", "`<eos>`", "becomes `<unk>`"),
    }
    assert "found by removing edges from a complete graph, round by round" in card
    for needed in (
        *preparing[task],
        "of the complete cell's",
        "Terms:",
        str(trained.description.weights_sha256),
        "Limits",
        "(cell.svg)",
    ):
        assert needed in card
    assert (tmp_path / "cell.svg").read_text(encoding="utf-8").startswith("<svg")
    examples = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(examples) == 3
    together = "\n".join(examples)  # in one process, for importing torch takes longer than all else
    done = subprocess.run([sys.executable, "-c", together], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


def test_a_released_cell_trained_alone_has_a_card_with_costs_and_quality(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `autoshrink train` made in no search: validation's number first and, once it is tested, the test's."""
    monkeypatch.chdir(tmp_path)
    data = ["--data", str(run / "data/digits")]
    network = '{"stem_filters": 4, "base_filters": 4, "stage_scales": [1.0], "stage_cells": [1], "stage_pools": [1]}'
    small = [f"training.cnn.network={network}", "training.cnn.dataset=digits", "training.cnn.epochs=2"]

    def call(*words: str) -> None:
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        assert not stop.value.code

    def card() -> str:
        call("export", "my-model", "--format", "state-dict", *data, "--out", "my-classifier")
        return Path("my-classifier/README.md").read_text(encoding="utf-8")

    params = ["--params", str(Path(__file__).parents[3] / "params.default.yaml")]
    settings = [*params, *(word for item in small for word in ("--set", item))]
    call("train", "--task", "cnn", "--cell", "shrinkcnn-a", *settings, *data, "--out", "my-model")
    before = card()
    assert "accuracy on validation data" in before and "`autoshrink test` does that" in before
    assert "multiply-accumulates" in before and "of the complete cell's" in before
    assert "and its authors released as shrinkcnn-a" in before
    call("test", "--task", "cnn", "--model", "my-model", *params, *data, "--out", "my-model/metrics.json")
    said = capsys.readouterr().out
    after = card()
    accuracy = ModelMetrics.read(Path("my-model/metrics.json")).metrics["accuracy_top1"]
    assert accuracy is not None
    assert "Measured on the test split" in after and f"{100 * accuracy:.2f} %" in after
    assert f"accuracy top1 {accuracy:.4f}" in said


def test_the_search_of_a_test_is_given_whole_or_not_at_all(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One of its three options alone is a mistake, told in a line."""
    with pytest.raises(SystemExit) as stop:
        main(["test", "--task", "cnn", "--search", "shrink-0", "--model", str(run), "--out", str(run / "m.json")])
    assert stop.value.code == 2
    assert "--search, --start and --best belong together" in capsys.readouterr().err


def test_the_exporter_says_nothing_of_its_own(run: Path, tmp_path: Path) -> None:
    """What torch's exporter tells its developers is not shown: only what was written."""
    words = ["export", "results", "--format", "onnx", "--task", "rnn", "--out", str(tmp_path / "out")]
    code = f"import sys; from autoshrink.cli import main; main({words!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [line.partition(":")[0].rpartition("/")[2] for line in done.stdout.splitlines()] == [
        "model.onnx",
        "README.md",
        "cell.svg",
    ]


def test_wrong_data_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data other than the model's is no check: one line, nothing written."""
    assert export(run, tmp_path / "out", "--format", "onnx", "--data", "data/tale") == 2
    assert "is not the data that the model was trained on" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("out", ["results/in", "results", "results/cnn/shrink-0/model", "data/digits/x", "link/in"])
def test_a_run_is_not_exported_into_itself(
    out: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that no record knows would be damage to the run; copied weights would replace its own."""
    here = tmp_path / "project"
    shutil.copytree(run, here)
    (here / "link").symlink_to("results")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as ended, contextlib.chdir(here):
        main(["export", "results", "--task", "cnn", "--format", "state-dict", "--out", out])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"autoshrink export: --out {out}: lies in ") and line.endswith("name a folder outside")
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_numbers_that_disagree_with_the_store_are_not_exported(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The card tells the search's numbers, so the evaluations they came from are compared first."""

    def disagree(jobs: list[Path]) -> None:
        raise ArtifactError("holds other numbers")

    monkeypatch.setattr(agreement, "check_files", disagree)
    assert export(run, tmp_path / "out", "--format", "state-dict") == 2
    assert capsys.readouterr().err == "autoshrink export: holds other numbers\n"
    assert not (tmp_path / "out").exists()


def test_a_users_file_is_not_overwritten(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A README.md of the user's is named, and nothing is written beside it; an export's own is replaced."""
    (tmp_path / "README.md").write_text("mine")
    assert export(run, tmp_path, "--format", "state-dict") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "README.md is there already" in line and line.endswith("move it away")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    (tmp_path / "README.md").unlink()
    (tmp_path / "notes.txt").write_text("mine")
    for _ in range(2):
        assert export(run, tmp_path, "--format", "state-dict") == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_a_name_holds_is_shown_and_not_obeyed(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Markup in names of data sets and searches stays text in the card."""
    monkeypatch.chdir(run)
    trained = models.find(Path("results"), Task.CNN)
    manifest = spec_of(Task.CNN).manifest.read(trained.data / "manifest.json")
    odd = manifest.model_copy(update={"name": "a`b](x) | <img>", "source_version": "v1 | <script>"})
    card.write(trained, odd, [], tmp_path, run / "data" / "digits")
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "`` a`b](x) | <img> ``, out of v1 \\| &lt;script&gt;:" in text
    assert "<script>" not in text


def test_finding_models(run: Path, tmp_path: Path) -> None:
    """A run, a search and a model's own folder lead to the same model; where there is none, one line says so."""
    model = run / "results" / "cnn" / "shrink-0" / "model"
    for folder in (run / "results", model.parent, model):
        assert models.find(folder).folder == model
        assert models.find(folder).name == "cnn-shrink-0"
    with pytest.raises(UserError, match="holds no trained model"):
        models.find(tmp_path)
    with pytest.raises(UserError, match="is a model of the task cnn, not rnn"):
        models.find(model, Task.RNN)


def test_every_source_has_terms() -> None:
    """Each data source that params.yaml can name has its terms stated."""
    schema = Parameters.model_json_schema()["$defs"]
    sources = {
        item["properties"]["source"]["const"] for item in schema.values() if "source" in item.get("properties", {})
    }
    assert sources == set(licences.LICENCES)


def test_drawing_names_every_node() -> None:
    """The drawing's description, which a screen reader speaks, has every node, operator and leaf."""
    cell = Cell.of(["tanh", "relu", "sigmoid", "identity"], [(0, 1), (0, 2), (1, 3), (2, 4)])
    assert drawing.describe(cell) == (
        "Node 0 is the input; node 1 (tanh) takes 0; node 2 (ReLU) takes 0; node 3 (sigmoid) takes 1; "
        "node 4 (identity) takes 2. Leaves: 3, 4."
    )
    picture = drawing.svg(cell, "a <cell>")
    assert "a &lt;cell&gt;" in picture
    assert picture.count("<path d=") >= len(cell.edges)
