"""Two searches at once on one store of evaluations."""

import json
from collections import Counter
from pathlib import Path

from autoshrink.records.timing import StepTiming
from tests.cluster.local_slurm import LocalSlurm
from tests.cluster.on_slurm import IMAGES, ended_well, evaluated, same, started, until
from tests.functional.smoke_run import RESULTS, Folder


def candidates(folder: Folder) -> list[tuple[str, bool, str, str]]:
    """Return of each of the run's candidates: its identity, whether the store had it, its job's start and end."""
    found = []
    for file in (folder.path / RESULTS).glob("*/*/round-*/evaluations-?.json"):
        timing = StepTiming.beside(file)
        for slot, evaluation in json.loads(file.read_text())["evaluations"].items():
            identity = json.dumps(evaluation["identity"], sort_keys=True)
            found.append((identity, (timing.slots or {})[slot].reused, timing.started or "", timing.ended or ""))
    return found


def test_two_runs_on_one_store(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """Runs of two seeds share evaluations: a candidate is trained twice only if both train it at the same time."""
    folders, runs = [], []
    for seed in (0, 1):
        folder = Folder.new(tmp_path / f"seed-{seed}")
        folder = folder.overlaid(f"{{search: {{seeds: [{seed}]}}, paths: {{store: {tmp_path}/store}}}}")
        folders.append(folder)
        runs.append(started(folder, f"{RESULTS}/cnn/shrink-{seed}/best.json"))
        # in lock-step both would train all that they have in common
        until(lambda: len(evaluated(tmp_path)) >= 2)
    assert runs[0].poll() is None
    for process, folder in zip(runs, folders, strict=True):
        ended_well(process, folder)
    same(folders[0], finished, f"{IMAGES}/round-")
    same(folders[0], finished, f"{IMAGES}/best.json")

    both = [candidate for folder in folders for candidate in candidates(folder)]
    asked = Counter(identity for identity, _, _, _ in both)
    trained = Counter(identity for identity, reused, _, _ in both if not reused)
    assert set(trained) == set(asked)
    assert len(evaluated(tmp_path)) == len(asked)
    assert trained.total() < asked.total()
    # a lock server would save these; without one, both write the same bytes
    for identity in (identity for identity, times in trained.items() if times > 1):
        spans = sorted((began, ended) for name, reused, began, ended in both if name == identity and not reused)
        assert len(spans) == 2
        assert spans[1][0] <= spans[0][1]


def test_a_later_search_takes_what_the_store_has(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """A search on a store that holds all its candidates trains none, and changes nothing there."""
    folder = Folder.new(tmp_path / "again").overlaid(f"{{paths: {{store: {finished.path}/store}}}}")
    before = evaluated(finished.path)
    ended_well(started(folder, f"{IMAGES}/best.json"), folder)
    assert candidates(folder)
    assert all(reused for _, reused, _, _ in candidates(folder))
    assert evaluated(finished.path) == before
    same(folder, finished, f"{IMAGES}/best.json")
