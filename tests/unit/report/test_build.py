import shutil
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from autoshrink import params, report
from autoshrink.cli import root
from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.report import figures
from autoshrink.report.runs import Search


@pytest.fixture(scope="module")
def built(small: Parameters, small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    written = report.build(small_run, out, small)
    assert all(path.stat().st_size for path in written)
    return out


def test_outputs_are_known_beforehand(small: Parameters, built: Path) -> None:
    """The files that a workflow declares from the parameters alone are those that are written."""
    found = sorted(path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file())
    assert found == sorted(report.outputs(small))


def test_figures_are_pictures(small: Parameters, built: Path) -> None:
    """Each PNG opens at a size worth looking at, each SVG is well-formed."""
    for name in report.outputs(small):
        if name.endswith(".png"):
            with Image.open(built / name) as picture:
                assert min(picture.size) >= 400
                assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 20
        if name.endswith(".svg"):
            assert xml.etree.ElementTree.parse(built / name).getroot().tag.endswith("svg")


def test_figures_are_the_same_each_time(small_searches: list[Search], built: Path, tmp_path: Path) -> None:
    """The same artifacts give the same bytes, figures included: no date, no random id."""
    again = figures.write([search for search in small_searches if search.task is Task.CNN], tmp_path)
    for path in again:
        assert artifacts.digest_of_file(path) == artifacts.digest_of_file(built / "cnn" / path.name), path.name


def test_a_run_that_took_longer_has_the_same_metrics(
    small: Parameters, small_run: Path, built: Path, tmp_path: Path
) -> None:
    """What was measured of time stands in search-cost.csv alone: metrics.csv is the same bytes whatever a run took."""
    results = Path(shutil.copytree(small_run, tmp_path / "results"))
    for path in results.rglob("*.timing.json"):
        timing = artifacts.read_sealed(path, artifacts.TIMING, artifacts.TIMING_VERSION)
        for slot in timing.get("slots", {}).values():
            slot["device_seconds"] = 1000.0
        artifacts.write_sealed(path, artifacts.TIMING, artifacts.TIMING_VERSION, timing)
    report.build(results, tmp_path / "report", small)
    assert (tmp_path / "report/metrics.csv").read_bytes() == (built / "metrics.csv").read_bytes()
    before, after = (place / "search-cost.csv" for place in (built, tmp_path / "report"))
    assert before.read_text() != after.read_text()
    assert before.read_text().startswith('task,name,origin,source,seed,search_device_hours\ncnn,"found cell')


def test_missing_round_is_an_error(small: Parameters, small_run: Path, tmp_path: Path) -> None:
    """A run whose rounds are not all there is not reported as if it were."""
    results = Path(shutil.copytree(small_run, tmp_path / "results"))
    (results / "rnn" / "shrink-1" / "round-02" / "round.json").unlink()
    with pytest.raises(ArtifactError, match=r"round-02/round\.json: there is no such file"):
        report.build(results, tmp_path / "report", small)


def test_known_networks_are_in_the_table_or_the_report_fails(
    small: Parameters, small_run: Path, tmp_path: Path
) -> None:
    """Where the parameters ask for counted networks, the table has them; without their counts there is no report."""
    results = Path(shutil.copytree(small_run, tmp_path / "results"))
    report.build(results, tmp_path / "report", small)
    assert "A known network" in (tmp_path / "report" / "metrics.md").read_text()
    (results / "report" / "known-networks.json").unlink()
    with pytest.raises(ArtifactError, match=r"known-networks\.json: missing.*autoshrink known-networks --out"):
        report.build(results, tmp_path / "report", small)
    without = small.model_copy(update={"report": small.report.model_copy(update={"known_networks": False})})
    report.build(results, tmp_path / "without", without)
    assert "A known network" not in (tmp_path / "without" / "metrics.md").read_text()


def test_verb_compares_two_runs(small: Parameters, small_run: Path, paper_run: Path, tmp_path: Path) -> None:
    """``autoshrink report --against`` sets another run beside this one and says what it wrote."""
    chosen = params.freeze(small.model_copy(update={"tasks": [Task.CNN]}), tmp_path)
    verb = ["report", "--params", str(chosen), "--results", str(small_run), "--against", str(paper_run)]
    told = CliRunner().invoke(root.autoshrink, [*verb, "--out", str(tmp_path / "both")])
    assert told.exit_code == 0, told.output
    assert str(tmp_path / "both" / "index.html") in told.output
    html = (tmp_path / "both" / "index.html").read_text()
    assert '"names":["small' in html


def test_room_does_not_import_torch() -> None:
    """A report can be made where torch is not installed, and starts fast."""
    code = "import sys; from autoshrink.report import figures, metrics, page, runs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
