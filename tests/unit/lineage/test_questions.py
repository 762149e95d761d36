"""Show, why and diff: what they answer about a run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.cli import main
from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.lineage import graph, records, show, telling
from autoshrink.lineage.differences import differences
from autoshrink.lineage.why import stories
from tests.unit.lineage import made


def out_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run ``autoshrink lineage ...`` and return what it printed; it must end well."""
    try:
        main(["lineage", *words])
    except SystemExit as done:
        assert not done.code
    return capsys.readouterr().out


def test_show_leads_back_to_the_raw_data(pristine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tree of the metrics names every round and ends at the prepared data."""
    text = out_of(capsys, "show", str(pristine / made.SEARCH / "metrics.json"))
    for name in (
        "round-00/round.json",
        "round-01/round.json",
        "round-01/proposal.json",
        "model/model.json",
        "best.json",
    ):
        assert name in text
    assert "data/digits/manifest.json" in text and "made 1" in text


def test_show_as_json_is_in_order_of_making(pristine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In JSON, every artifact comes after all that it was made from, each with its parameters and code."""
    value = json.loads(out_of(capsys, "show", "--json", str(pristine / made.SEARCH / "best.json")))
    seen: set[str] = set()
    produced = {path for item in value["made"] for path in item["outputs"]}
    for item in value["made"]:
        assert {path for path in item["inputs"] if path in produced} <= seen
        assert item["code"]["version"] and item["environment"]["python"]
        seen |= set(item["outputs"])
    assert value["made"][-1]["verb"] == "best"


def test_edges_between_stages_are_not_counted(pristine: Path, tmp_path: Path) -> None:
    """As on the page and in the status: no search adds or removes them."""
    record = graph.read(pristine / "results").of(pristine / made.SEARCH / "best.json")
    content = json.loads(record.artifact.read_bytes())
    content["cell"] = Cell.of_stages([Cell.complete(["conv_1x1", "conv_1x1"])] * 2).to_json()
    (tmp_path / "best.json").write_text(json.dumps(content))
    told = telling.what(replace(record, path=tmp_path / "best.lineage.json"))
    assert "edges left: 6" in told


def test_show_takes_a_folder(pristine: Path) -> None:
    """A model's folder stands for the model, a data set's for its manifest."""
    run = graph.read(pristine / "results")
    assert run.of(pristine / made.SEARCH / "model").verb == "train"
    assert run.of(pristine / "data/digits").verb == "prepare"
    assert run.of(pristine / "results/report").verb == "report"
    assert show.as_json(run, run.of(pristine / made.SEARCH / "model/model.safetensors"))["made"]


def test_show_of_a_stranger_is_one_line(pristine: Path) -> None:
    """A file that no record explains is an error that says so."""
    with pytest.raises(ArtifactError, match="no lineage record says how it was made"):
        graph.read(pristine / "results").of(pristine / "params.yaml")


def test_why_tells_data_rounds_seed_and_code(pristine: Path) -> None:
    """The story of a metric names its data, its rounds, its seed and its code, each with an artifact to look at."""
    (story,) = stories(graph.read(pristine / "results"), "accuracy_top1")
    assert (story.metric, story.value) == ("cnn/shrink-0/accuracy_top1", 0.97)
    text = " ".join(reason.text for reason in story.reasons)
    for part in ("made 1", "round 1: of 3 candidates", "seed 2020", "autoshrink 0.", "15 epochs"):
        assert part in text
    assert all(reason.artifact for reason in story.reasons)


def test_why_of_an_unknown_metric_names_the_known(pristine: Path) -> None:
    """A metric that the run lacks is an error that lists those it has."""
    with pytest.raises(UserError, match=r"accepted: cnn/shrink-0/accuracy_top1, cnn/shrink-0/accuracy_top5"):
        stories(graph.read(pristine / "results"), "perplexity")


def test_diff_of_equal_runs_is_empty(pristine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two runs from scratch with the same seed differ in nothing."""
    again = made.run(tmp_path / "again")
    assert "are the same" in out_of(capsys, "diff", str(pristine / "results"), str(again)).splitlines()[-1]


def test_diff_names_parameters_rounds_and_results(pristine: Path, tmp_path: Path) -> None:
    """A changed seed and objective are named, and so are the rounds that they changed."""
    search = {"slots_per_job": 2, "cnn": {"nodes": 4, "k": 3, "keep_fraction": 0.4, "finalists": None}}
    other = made.run(tmp_path / "other", seed=7, search=search)
    found = differences(graph.read(pristine / "results"), graph.read(other))
    by_name = {(item.section, item.name): (item.first, item.second) for item in found}
    assert by_name["parameters", "seed"] == ("2020", "7")
    assert by_name["parameters", "search.cnn.nodes"] == ("3", "4")
    assert ("rounds", "cnn/shrink-0/round-00/round.json") in by_name
    assert not any(section == "code" for section, _ in by_name)


def test_diff_names_data_settings(pristine: Path, tmp_path: Path) -> None:
    """A data set prepared by other settings is named by the parameter that differs."""
    other = made.run(tmp_path / "other", datasets={"digits": {"source": "digits", "test_per_class": 7}})
    found = differences(graph.read(pristine / "results"), graph.read(other))
    assert ("parameters", "datasets.digits.test_per_class") in {(item.section, item.name) for item in found}


@pytest.mark.parametrize(("name", "value"), [("macs", 30_000), ("cnn/shrink-0/parameters", 300)])
def test_why_answers_for_costs_too(pristine: Path, name: str, value: int) -> None:
    """What the model costs is as much of an answer as what it scores."""
    (story,) = stories(graph.read(pristine / "results"), name)
    assert story.value == value


def test_why_says_what_is_not_known_any_more(pristine: Path, tmp_path: Path) -> None:
    """Data prepared anew under another seed is not told as the data that the metric was measured on."""
    shutil.copytree(pristine, tmp_path / "run")
    manifest = tmp_path / "run" / made.MANIFEST
    array = manifest.with_name("train_images.npy")
    artifacts.write_bytes(array, b"other pixels")
    content = artifacts.read_sealed(manifest, "dataset", 1)
    artifacts.write_sealed(manifest, "dataset", 1, {**content, "files": {array.name: artifacts.digest_of_file(array)}})
    old = records.read(records.path_of(manifest))
    facts = old.facts.model_copy(update={"seeds": records.Seeds(root=7, draws=("splits",))})
    records.write(manifest, {}, records.digests([manifest, array]), facts)
    (story,) = stories(graph.read(tmp_path / "run/results"), "accuracy_top1")
    text = " ".join(reason.text for reason in story.reasons)
    assert "manifest.json has been regenerated since; its earlier content is unknown" in text
    assert "seed 7" not in text


def test_why_of_an_altered_metric_is_refused(pristine: Path, tmp_path: Path) -> None:
    """A metrics file that is not the recorded one tells nothing, even when it is sealed."""
    shutil.copytree(pristine, tmp_path / "run")
    path = tmp_path / "run" / made.SEARCH / "metrics.json"
    content = artifacts.read_sealed(path, "metrics", 1)
    artifacts.write_sealed(path, "metrics", 1, {**content, "metrics": {"accuracy_top1": 0.999}})
    with pytest.raises(ArtifactError, match="is not what 'test' wrote"):
        stories(graph.read(tmp_path / "run/results"), "accuracy_top1")


def test_diff_names_the_cpu_and_where_runs_part(pristine: Path, tmp_path: Path) -> None:
    """Two machines' runs: the CPU of each, the numerics setting, and the first artifact whose bytes differ."""
    shutil.copytree(pristine, tmp_path / "run")
    for path in (tmp_path / "run").rglob("*.timing.json"):
        timing = artifacts.read_sealed(path, artifacts.TIMING, artifacts.TIMING_VERSION)
        if "cpu" in timing:
            artifacts.write_sealed(path, artifacts.TIMING, artifacts.TIMING_VERSION, {**timing, "cpu": "Another 9000"})
    chunk = tmp_path / "run" / made.SEARCH / "round-01/evaluations-0.json"
    model = tmp_path / "run" / made.SEARCH / "model/model.safetensors"
    for path, record in ((chunk, records.path_of(chunk)), (model, model.with_name("model.lineage.json"))):
        path.write_bytes(path.read_bytes() + b" ")
        old = records.read(record)
        compute = records.Compute(threads=1, deterministic=False, numerics="native", processes=1, device="cpu")
        facts = old.facts.model_copy(update={"compute": compute})
        records.write(old.artifact, old.inputs, records.digests(old.outputs), facts)
    found = differences(graph.read(pristine / "results"), graph.read(tmp_path / "run/results"))
    by_name = {(item.section, item.name): (item.first, item.second) for item in found}
    assert by_name["environment", "cpu"][1] == "Another 9000"
    assert any(name.endswith("numerics") for section, name in by_name if section == "environment")
    first = [item.name for item in found if item.section == "first artifact that differs"]
    assert first == ["cnn/shrink-0/round-01/evaluations-0.json"]


def test_export_into_its_own_run_is_refused(pristine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A crate inside the results that it packs would make them unlike what they were."""
    shutil.copytree(pristine, tmp_path / "run")
    out = tmp_path / "run/results/in"
    with pytest.raises(SystemExit) as ended:
        main(["lineage", "export", str(tmp_path / "run/results"), "--out", str(out)])
    assert ended.value.code == 2 and "lies in the run that it packs" in capsys.readouterr().err
    assert not out.exists()


def test_show_of_a_long_chain_ends(tmp_path: Path) -> None:
    """A chain of thousands of forged records is drawn like any other."""
    facts = records.Facts(verb="conjure", code=records.Code(version="0"), environment={})
    for number in range(1500):
        path = tmp_path / f"{number}.json"
        path.touch()
        before = {tmp_path / f"{number - 1}.json": "0" * 64} if number else {}
        records.write(path, before, {path: "0" * 64}, facts)
    run = graph.read(tmp_path)
    assert show.tree(run, run.of(tmp_path / "1499.json")).children
