"""The smoke preset on a real SLURM: the same bytes, what is submitted, and who gets which GPU."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.cluster.local_slurm import LocalSlurm
from tests.cluster.on_slurm import HERE, ended_well, same, started
from tests.functional.smoke_run import BIN, ROOT, Folder, environment


def test_the_cluster_gives_the_same_bytes(slurm: LocalSlurm, finished: Folder, tmp_path: Path) -> None:
    """Jobs on two nodes give the cells, models and metrics of the local run, byte for byte."""
    folder = Folder.new(tmp_path / "run")
    ended_well(started(folder), folder)
    same(folder, finished)


GENERIC = [
    "--profile", str(ROOT / "workflow/profiles/generic"), "--latency-wait", "5",
    "--cluster-generic-status-cmd", str(ROOT / "workflow/profiles/generic/status"),
]  # fmt: skip


@pytest.mark.parametrize("options", [HERE, GENERIC], ids=["slurm", "generic"])
def test_gpus_are_never_shared(options: list[str], slurm: LocalSlurm, tmp_path: Path) -> None:
    """Of jobs that want a GPU, no two have the same device of the same node at the same time, under both profiles."""
    (tmp_path / "Snakefile").write_text(
        'rule all:\n    input: expand("{n}.txt", n=range(8))\n'
        'rule use:\n    output: "{n}.txt"\n    resources: gpu=1\n'
        '    shell: "(date +%s.%N; sleep 3; echo $SLURMD_NODENAME/$CUDA_VISIBLE_DEVICES; date +%s.%N) > {output}"\n'
    )
    command = [str(BIN / "snakemake"), *options, "--jobs", "8"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    used = [file.read_text().split() for file in sorted(tmp_path.glob("*.txt"))]
    assert len(used) == 8
    for index, (begin, device, end) in enumerate(used):
        assert re.fullmatch(r"n[12]/[01]", device)
        for other_begin, other_device, other_end in used[:index]:
            apart = float(end) <= float(other_begin) or float(other_end) <= float(begin)
            assert device != other_device or apart
    assert len({device for _, device, _ in used}) > 1


@pytest.mark.parametrize("slots", [1, 5, 10])
def test_what_the_paper_preset_submits(slots: int, tmp_path: Path) -> None:
    """The numbers of submissions that the profiles' README gives."""
    folder = Folder(Folder.new(tmp_path / "paper").path, (ROOT / "workflow/presets/paper.yaml",))
    done = folder.overlaid(f"search: {{slots_per_job: {slots}}}").snakemake("--dry-run")
    jobs = {name: int(count) for name, count in re.findall(r"^([a-z]+) +(\d+)$", done.stdout, re.MULTILINE)}
    local = ("all", "start", "propose", "select", "best", "total")
    submitted = sum(count for name, count in jobs.items() if name not in local)
    row = re.search(
        rf"^\| {slots}\b[^|]*\| (\d+) \| (\d+) \|", (ROOT / "workflow/profiles/README.md").read_text(), re.M
    )
    assert row
    assert (jobs["evaluate"], submitted) == (int(row[1]), int(row[2]))
