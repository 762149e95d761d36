"""After an edit of the code, a run makes anew what depends on it, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.functional.smoke_run import BIN, RESULTS, ROOT, SMOKE, environment


def run(folder: Path, *arguments: str) -> str:
    """Run what ``make run`` runs, on the folder's own copy of the code, and return what is said."""
    command = [sys.executable, "tools/run.py", *arguments, "--cores", "2", "--configfile", str(SMOKE)]
    env = {**environment(), "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stderr


def verified(folder: Path) -> str:
    """Return what ``lineage verify`` says."""
    command: list[str | Path] = [BIN / "autoshrink", "lineage", "verify", RESULTS]
    env = {**environment(), "PYTHONPATH": str(folder / "src")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True).stdout


def test_an_edit_runs_what_depends_on_it(tmp_path: Path) -> None:
    """A docstring changes nothing; another score runs the selections again, and trains no candidate a second time."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("src", "tools", "workflow", "Snakefile"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    (folder / "params.yaml").write_text("tasks: [cnn]\n")
    goal = f"{RESULTS}/cnn/shrink-0/best.json"
    run(folder, goal)
    first = folder / RESULTS / "cnn/shrink-0/round-01/evaluations-0.json"
    before = first.stat().st_mtime_ns
    trained = sorted((folder / "store").rglob("*.json"))

    objective = folder / "src/autoshrink/tasks/vision/objective.py"
    text = objective.read_text()
    objective.write_text(text.replace('"""', '"""Reworded: ', 1) + "\n# a comment\n")
    assert "Nothing to be done" in run(folder, goal)
    assert "other code" not in verified(folder)

    objective.write_text(text.replace("return ", "return 1e-9 + ", 1))
    assert text != objective.read_text()
    said = verified(folder)
    assert "finished steps were made by other code: 3 select" in said, said
    said = run(folder, goal)
    assert "4 finished steps were made by other code (3 select, 1 best)" in said
    assert "other code" not in verified(folder)
    assert sorted((folder / "store").rglob("*.json")) == trained
    assert first.stat().st_mtime_ns == before
