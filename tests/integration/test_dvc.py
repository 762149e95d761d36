"""DVC around the pipeline: the real dvc and git in a temporary clone, a small run of both tasks.

The first ``dvc repro`` is made once and shared; whoever changes the clone copies it first.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoshrink.params import document
from autoshrink.params.loading import merge

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# smaller still than the smoke preset, and in the folder that git and DVC know
SMALLER: dict[str, Any] = {
    "paths": {"results": "results"},
    "references": {"cnn": {"networks": ["chain"]}},  # a run of Snakemake alone makes verdicts where there are some
    "search": {"cnn": {"nodes": 3, "k": 2, "keep_fraction": 0.4}, "rnn": {"nodes": 3, "k": 1}},
    "proxy": {"cnn": {"training": {"epochs": 1}}, "rnn": {"training": {"epochs": 1, "decay_epochs_before_end": []}}},
    "training": {"cnn": {"epochs": 2}, "rnn": {"epochs": 2}},
}
SMALL = ["results/cnn/shrink-0/best.json", "results/rnn/shrink-0/best.json"]


@dataclass(frozen=True)
class Clone:
    """A git clone of the project with results in it."""

    path: Path

    def run(self, *command: str, accept: int = 0) -> str:
        """Run a command in the clone and return all that it said; it must end with status ``accept``."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AUTOSHRINK_", "GIT_"))}
        own = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
            "DVC_SITE_CACHE_DIR": str(self.path.parent / "dvc-site"),
            "XDG_CONFIG_HOME": str(self.path.parent / "config"),
            "GIT_AUTHOR_NAME": "A Tester",
            "GIT_AUTHOR_EMAIL": "tester@example.org",
            "GIT_COMMITTER_NAME": "A Tester",
            "GIT_COMMITTER_EMAIL": "tester@example.org",
            "GIT_CONFIG_GLOBAL": os.devnull,
        }
        result = subprocess.run(
            command, cwd=self.path, env={**environment, **own}, capture_output=True, text=True, timeout=900
        )
        said = result.stdout + result.stderr
        assert result.returncode == accept, f"{' '.join(command)}: {said[-4000:]}"
        return said

    def repro(self) -> list[str]:
        """Run ``dvc repro`` and return the stages that it ran."""
        return re.findall(r"Running stage '([^']+)'", self.run("dvc", "repro"))

    def commit(self, message: str) -> None:
        """Commit what git is to keep: code, parameters, DVC's lock, small results."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def change(self, **changes: Any) -> None:
        """Change params.yaml."""
        path = self.path / "params.yaml"
        path.write_text(yaml.safe_dump(merge(yaml.safe_load(path.read_text()), changes), sort_keys=False))

    def nothing_to_do(self) -> None:
        """Assert that neither DVC nor Snakemake wants to do anything, and that the run verifies."""
        assert "Data and pipelines are up to date" in self.run("dvc", "status")
        assert "Nothing to be done" in self.run("snakemake", "--dry-run", "--cores", "1")
        assert "as they were made" in self.run("autoshrink", "lineage", "verify", "results")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which everything was reproduced and committed; nobody changes it."""
    clone = Clone(tmp_path_factory.mktemp("dvc") / "clone")
    subprocess.run(["git", "clone", "--quiet", ROOT, clone.path], check=True)
    smoke = yaml.safe_load((ROOT / "workflow/presets/smoke.yaml").read_text())
    (clone.path / "params.yaml").write_text(document.render_starter())  # the checkout's own is the user's
    clone.change(**merge(smoke, SMALLER))
    clone.commit("a small run")
    stages = clone.repro()
    assert stages[0] == "data" and stages[-1] == "report" and len(stages) == 10
    clone.commit("its results")
    return clone


@pytest.fixture
def clone(pristine: Clone, tmp_path: Path) -> Clone:
    """A copy of the reproduced clone."""
    shutil.copytree(pristine.path, tmp_path / "clone", symlinks=True)
    return Clone(tmp_path / "clone")


def test_second_repro_does_nothing(pristine: Clone) -> None:
    """Reproducing again runs no stage, and Snakemake has nothing to do either."""
    assert pristine.repro() == []
    pristine.nothing_to_do()


def test_git_keeps_what_is_small(pristine: Clone) -> None:
    """Git tracks cells, metrics and DVC's lock, and neither rounds nor weights."""
    tracked = pristine.run("git", "ls-files").splitlines()
    assert {"dvc.lock", *SMALL, "results/cnn/shrink-0/metrics.json"} <= set(tracked)
    assert not [name for name in tracked if name.endswith((".safetensors", ".zip", "round.json"))]


def test_changed_parameter_runs_what_depends_on_it(clone: Clone) -> None:
    """Another length of the RNN's final training runs that training, its metrics and the report again, and no more."""
    clone.change(training={"rnn": {"epochs": 3}})
    before = {path: path.stat().st_mtime_ns for path in (clone.path / "results").rglob("round.json")}
    assert clone.repro() == ["training-rnn@0", "metrics-rnn@0", "verdict-rnn@0", "report"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert clone.repro() == []


def test_experiment_and_differences(clone: Clone) -> None:
    """An experiment with another k ends well; metrics, parameters and plots of before and after can be compared."""
    clone.run("dvc", "exp", "run", "-S", "search.cnn.k=1")
    assert yaml.safe_load((clone.path / "params.yaml").read_text())["search"]["cnn"]["k"] == 1
    assert "search.cnn.k" in clone.run("dvc", "params", "diff")
    metrics = json.loads(clone.run("dvc", "metrics", "show", "--json"))
    (files,) = [revision["data"] for revision in metrics.values()]
    assert files["results/cnn/shrink-0/metrics.json"]["data"]["metrics"]["accuracy_top1"] >= 0
    clone.run("dvc", "metrics", "diff", "--all")
    assert "main" in clone.run("dvc", "exp", "show", "--csv") or "workspace" in clone.run("dvc", "exp", "show", "--csv")
    clone.nothing_to_do()


def test_plots_and_graph(pristine: Clone, tmp_path: Path) -> None:
    """The trainings' curves are plots, and the graph of stages leads from data to report."""
    pristine.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text()
    assert "train_loss" in page and "validation_loss" in page
    graph = pristine.run("dvc", "dag", "--dot")
    for source, target in (("data", "search-cnn@0"), ("search-cnn@0", "training-cnn@0"), ("metrics-rnn@0", "report")):
        assert f'"{source}" -> "{target}"' in graph


def test_pushed_deleted_and_pulled(clone: Clone) -> None:
    """Pushed to a local folder, deleted with the cache, pulled, restored: nothing is to be done, all verifies."""
    clone.run("dvc", "push")
    for name in ("data", "results", "store", ".dvc/cache", ".snakemake"):
        shutil.rmtree(clone.path / name)
    clone.run("git", "checkout", "--", "results")
    clone.run("dvc", "pull")
    for pack in sorted((clone.path / "results/packs").glob("*.zip")):
        clone.run("autoshrink", "lineage", "unpack", str(pack.relative_to(clone.path)))
    clone.run("snakemake", "--touch", "--forceall", "--cores", "1", "all")
    clone.nothing_to_do()
    assert clone.repro() == []


def test_page_names_commands_that_exist() -> None:
    """Every dvc command on the documentation's page is one that dvc takes, options and all."""
    from dvc.cli.parser import get_main_parser

    page = (ROOT / "docs/how-to/version.md").read_text(encoding="utf-8")
    commands = re.findall(r"^dvc (.+)$", page, re.MULTILINE)
    assert len(commands) > 8
    for command in commands:
        get_main_parser().parse_args(shlex.split(command))


def test_snakemake_first_then_commit(clone: Clone) -> None:
    """After Snakemake was run directly, packing and ``dvc commit`` record what it made."""
    clone.change(training={"cnn": {"epochs": 3}})
    clone.run("python", "tools/run.py", "--cores", "2")
    for task in ("cnn", "rnn"):
        best, pack = f"results/{task}/shrink-0/best.json", f"results/packs/{task}-shrink-0.zip"
        clone.run("autoshrink", "lineage", "pack", best, "--out", pack)
    clone.run("dvc", "commit", "--force")
    clone.nothing_to_do()
    assert clone.repro() == []
