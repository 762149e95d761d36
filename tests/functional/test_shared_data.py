"""Runs that share a data folder: each finds the data it was made from, whatever the other does."""

import subprocess
from pathlib import Path

from tests.functional.smoke_run import BIN, Folder, environment

RUN = "tasks: [cnn]\nsearch: {{cnn: {{k: 1}}}}\nseed: {seed}\npaths: {{results: results-{seed}}}\n"


def lineage(folder: Path, *words: str) -> tuple[int, str]:
    """Return the status of ``autoshrink lineage`` and what it says."""
    command = [str(BIN / "autoshrink"), "lineage", *words]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def prepared(folder: Path) -> dict[str, int]:
    """Return when each prepared data set's manifest was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("data/*/manifest.json")}


def test_runs_of_two_seeds_keep_their_own_data(tmp_path: Path) -> None:
    """Two seeds share ``data``: neither prepares the other's anew, and each run's lineage tells of its own seed."""
    folder = Folder.new(tmp_path / "run")
    left_over = folder.path / "data/digits/manifest.json"
    left_over.parent.mkdir(parents=True)
    left_over.write_text("of an earlier version")
    seeds = (2020, 7)
    runs = [Folder(folder.path, (*folder.overlays, folder.path / f"{seed}.yaml")) for seed in seeds]
    for seed, run in zip(seeds, runs, strict=True):
        run.overlays[-1].write_text(RUN.format(seed=seed))
        done = run.run()
        assert done.returncode == 0, done.stderr
    written = prepared(folder.path)
    assert len([name for name in written if name.startswith("digits-")]) == 2
    for run in runs:
        again = run.run()
        assert again.returncode == 0 and "Nothing to be done" in again.stderr, again.stderr
    assert prepared(folder.path) == written
    assert left_over.read_text() == "of an earlier version"
    for seed, run in zip(seeds, runs, strict=True):
        files = [word for file in ("params.yaml", *run.overlays) for word in ("--params", str(file))]
        status, said = lineage(folder.path, "verify", f"results-{seed}", *files)
        assert status == 0, said
        status, said = lineage(folder.path, "why", "accuracy_top1", f"results-{seed}")
        assert status == 0 and f"splits drawn under seed {seed}" in said, said
        assert "not known any more" not in said
    status, said = lineage(folder.path, "diff", "results-2020", "results-7")
    assert "digits/train_images.npy" in said and "data" in said, said
