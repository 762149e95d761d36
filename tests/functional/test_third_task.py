"""A task is one package and one line: a third one is searched, trained and reported by the real pipeline."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autoshrink.files import artifacts
from tests.functional.smoke_run import ROOT, environment

PACKAGE = Path(__file__).parent / "tabular"
LINE = '    TABULAR = "tabular", "autoshrink.tasks.tabular.spec"\n'
AFTER = '    RNN = "rnn", "autoshrink.tasks.language.spec"\n'
OVERLAY = """tasks: [tabular]
datasets: {wine: {source: wine}}
search: {slots_per_job: 1}
references: {tabular: {networks: [complete], tolerance: 0.3}}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to run in, beside a copy of the source with the package and the line."""
    folder = tmp_path_factory.mktemp("third")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copytree(PACKAGE, folder / "src/autoshrink/tasks/tabular", ignore=shutil.ignore_patterns("__pycache__"))
    tasks = folder / "src/autoshrink/params/base.py"
    text = tasks.read_text()
    assert AFTER in text
    tasks.write_text(text.replace(AFTER, AFTER + LINE))
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "tabular.yaml").write_text(OVERLAY)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Run a command with the copied source."""

    def run(*command: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        settings = {**environment(), "PYTHONPATH": str(folder / "src")}
        done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=600)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done

    return run


def autoshrink(run: Run, *arguments: str, fails: bool = False) -> str:
    """Run a verb with the task's overlay and return what it says."""
    verb, *rest = arguments
    start = "import sys; from autoshrink.cli import main; sys.exit(main())"
    done = run(
        sys.executable, "-c", start, verb, "--params", "params.yaml", "--params", "tabular.yaml", *rest, fails=fails
    )
    return done.stdout + done.stderr


def test_the_pipeline_runs_it_from_data_to_report(folder: Path, run: Run) -> None:
    """Snakemake prepares, searches, trains, tests and reports the third task by the rules that the others have."""
    done = run("snakemake", "--cores", "2", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "tabular.yaml")
    search = folder / "results/tabular/shrink-0"
    best = artifacts.read_sealed(search / "best.json", "best", 1)
    assert best["costs"]["macs"] > 0 and 0 <= best["metrics"]["error"] <= 1
    front = artifacts.read_sealed(search / "front.json", "front", 1)
    assert front["metric"] == "error"
    lowest = min(item["metrics"]["error"] for item in front["candidates"])
    found = artifacts.read_sealed(search / f"round-{best['round']:02d}/round.json", "round", 1)
    assert lowest <= found["candidates"][best["slot"]]["metrics"]["error"]
    assert len(best["finalists"]["candidates"]) == 3
    metrics = artifacts.read_sealed(search / "metrics.json", "metrics", 1)
    assert 0 <= metrics["metrics"]["test_error"] <= 1
    assert 0 < metrics["costs"]["macs"] <= metrics["complete_costs"]["macs"]
    verdict = artifacts.read_sealed(search / "evidence/verdict.json", "verdict", 1)
    assert [network["name"] for network in verdict["networks"]] == ["found", "complete"]
    assert verdict["networks"][0]["quality"]["mean"] == pytest.approx(metrics["metrics"]["test_error"])
    assert "tabular shrink-0: the found network" in done.stderr
    start = "import sys; from autoshrink.cli import main; sys.exit(main())"
    refused = run(sys.executable, "-c", start, "export", "results", "--format", "onnx", fails=True).stderr
    assert "export is for models of cnn and rnn, not of tabular" in refused and "Traceback" not in refused
    assert "Classification of tables" in (folder / "results/report/index.html").read_text(), done.stderr


def test_the_how_to_shows_what_is_run_here() -> None:
    """The page on new tasks shows this very line and description."""
    page = (ROOT / "docs/how-to/new-task.md").read_text()
    description = (PACKAGE / "spec.py").read_text()
    assert LINE in page
    assert description[description.index("SPEC = ") :] in page


def test_its_mistakes_are_told_as_the_others_are(run: Run) -> None:
    """A wrong key, operator or data set of the new sections is one line before anything runs."""
    for setting, says in (
        ("search.tabular.operators=[conv_1x1]", "search.tabular.operators.0 = 'conv_1x1': input should be"),
        ("proxy.tabular.widht=3", "proxy.tabular.widht = 3: this key is not known"),
        ("training.tabular.dataset=sotu", "training.tabular.dataset: 'sotu' is data for the task rnn; accepted: wine"),
        ("search.tabular.strategy=shrink-naswot", "accepted for tabular: no strategy that ranks untrained networks"),
    ):
        told = autoshrink(run, "check", "--set", setting, fails=True)
        assert says in told and told.strip().count("\n") == 0


def test_the_light_verbs_stay_light_for_it(run: Run) -> None:
    """Reading the new sections imports no torch."""
    code = "import sys; from pathlib import Path; from autoshrink import params; params.load([Path('params.yaml')]); "
    run(
        sys.executable,
        "-c",
        code + "assert 'autoshrink.tasks.tabular.spec' in sys.modules; assert 'torch' not in sys.modules",
    )


def test_the_schema_knows_its_sections(run: Run) -> None:
    """The JSON schema, which editors complete from, has the new sections and the new source of data."""
    code = "import json; from autoshrink import params; print(json.dumps(params.json_schema()))"
    schema = json.loads(run(sys.executable, "-c", code).stdout)["$defs"]
    assert "tabular" in schema["Search"]["properties"] and "Wine" in schema
    assert schema["Task"]["enum"] == ["cnn", "rnn", "tabular"]
