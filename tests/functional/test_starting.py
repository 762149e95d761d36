"""What steps are started with: a log each, GPUs of their own, no retry of a user's mistake."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.functional.smoke_run import RESULTS, ROOT, Folder, environment

LOGGED, GPUS = str(ROOT / "workflow/bin/logged"), str(ROOT / "workflow/bin/gpus")


def test_a_mistake_is_made_once(tmp_path: Path) -> None:
    """A step that ended with status 2 is not started again: the same line, the same status, and its log stays."""
    (tmp_path / "step").write_text("echo started >> starts\necho first line\necho the mistake\nexit ${1}\n")
    command = [LOGGED, "step.log", "sh", "step"]
    for _ in range(3):
        done = subprocess.run([*command, "2"], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (2, "the mistake\n")
    assert (tmp_path / "starts").read_text() == "started\n"
    assert (tmp_path / "step.log").read_text() == "first line\nthe mistake\n"
    (tmp_path / "step.log.mistake").unlink()
    for _ in range(2):
        assert subprocess.run([*command, "1"], cwd=tmp_path, capture_output=True).returncode == 1
    assert (tmp_path / "starts").read_text() == "started\n" * 3


def test_what_earlier_attempts_said_is_kept(tmp_path: Path) -> None:
    """Also of one that was killed; Snakemake removes the log before each attempt. One that ends well adds nothing."""
    for command in ("echo first; kill -9 $PPID; sleep 1", "echo second; exit 1", "echo third"):
        (tmp_path / "step.log").unlink(missing_ok=True)
        subprocess.run([LOGGED, "step.log", "sh", "-c", command], cwd=tmp_path, capture_output=True)
    said = (tmp_path / "step.log.earlier").read_text().splitlines()
    assert [line for line in said if not line.startswith("--- an attempt that ended on ")] == ["first", "second"]
    assert len(said) == 4
    assert (tmp_path / "step.log").read_text() == "third\n"
    assert not (tmp_path / "step.log.now").exists()


def test_a_run_tries_a_mistake_again_only_when_asked_anew(tmp_path: Path) -> None:
    """With retries, a mistake in a step costs one start; the next run, with the mistake mended, goes on."""
    folder = Folder.new(tmp_path / "run").overlaid("tasks: [cnn]")
    goal = f"{RESULTS}/cnn/shrink-0/round-01/evaluations-0.json"
    mistaken = folder.overlaid("compute: {device: cuda}")
    done = mistaken.run("--retries", "2", goal)
    assert done.returncode
    assert done.stderr.count("autoshrink evaluate: compute.device = 'cuda': this machine has no usable CUDA") == 3
    log = folder.path / RESULTS / "logs/cnn/shrink-0/round-01/evaluate-0.log"
    assert log.read_text() == log.with_name(f"{log.name}.mistake").read_text()
    assert folder.run(goal).returncode == 0
    assert not log.with_name(f"{log.name}.mistake").exists()


def on_gpus(count: int, visible: str, seconds: float, place: Path, **more: str) -> subprocess.Popen[str]:
    """Start a step that tells, in a file, which GPUs it has, from when, and until when."""
    told = f"(date +%s.%N; sleep {seconds}; echo ${{CUDA_VISIBLE_DEVICES-none}}; date +%s.%N) > {place}"
    env: Mapping[str, str] = {**os.environ, "TMPDIR": str(place.parent), "CUDA_VISIBLE_DEVICES": visible, **more}
    return subprocess.Popen(
        [GPUS, str(count), "sh", "-c", told], env=env, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_no_two_steps_have_one_gpu(tmp_path: Path) -> None:
    """Of more steps than GPUs each gets some of its own, and waits until they are free."""
    steps = [on_gpus(2 if number == 3 else 1, "0,GPU-b,5", 0.5, tmp_path / f"step-{number}") for number in range(8)]
    assert [step.wait(60) for step in steps] == [0] * 8
    used = [file.read_text().split() for file in sorted(tmp_path.glob("step-*"))]
    assert len(used[3][1].split(",")) == 2
    for index, (begin, devices, end) in enumerate(used):
        assert set(devices.split(",")) <= {"0", "GPU-b", "5"}
        for other_begin, other_devices, other_end in used[:index]:
            apart = float(end) <= float(other_begin) or float(other_end) <= float(begin)
            assert apart or not set(devices.split(",")) & set(other_devices.split(","))
    assert len({devices for _, devices, _ in used}) >= 3


def test_a_killed_step_frees_its_gpu(tmp_path: Path) -> None:
    """The lock on a GPU ends with whoever held it."""
    first = on_gpus(1, "0", 600, tmp_path / "first")
    while not (tmp_path / "first").exists():
        time.sleep(0.01)
    second = on_gpus(1, "0", 0, tmp_path / "second")
    time.sleep(0.5)
    assert second.poll() is None
    os.killpg(first.pid, signal.SIGKILL)
    assert second.wait(30) == 0


def at_once(*files: Path) -> tuple[list[str], bool]:
    """Return which GPUs each of these steps had, and whether all of them ran at one time."""
    spans = [file.read_text().split() for file in files]
    ran_together = max(float(begin) for begin, _, _ in spans) < min(float(end) for _, _, end in spans)
    return [devices for _, devices, _ in spans], ran_together


def test_gpus_that_a_scheduler_has_chosen_stay(tmp_path: Path) -> None:
    """Where a scheduler's job sees what it asked for, nothing is locked: two jobs may both call their GPU 0."""
    names = [tmp_path / name for name in ("first", "second")]
    steps = [on_gpus(1, "0", 0.5, name, SLURM_JOB_ID=str(number)) for number, name in enumerate(names)]
    assert [step.wait(30) for step in steps] == [0, 0]
    assert at_once(*names) == (["0", "0"], True)


def test_steps_in_one_allocation_share_its_gpus_out(tmp_path: Path) -> None:
    """Several steps in one job of two GPUs (`sbatch --gpus=2`, local profile) get one each, at the same time."""
    names = [tmp_path / name for name in ("first", "second")]
    steps = [on_gpus(1, "2,3", 0.5, name, SLURM_JOB_ID="7") for name in names]
    assert [step.wait(30) for step in steps] == [0, 0]
    devices, ran_together = at_once(*names)
    assert sorted(devices) == ["2", "3"] and ran_together


def test_allocations_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """Two jobs that both call their GPUs 0 and 1 have four: the locks belong to a job."""
    names = [tmp_path / name for name in "abcd"]
    steps = [on_gpus(1, "0,1", 1, name, SLURM_JOB_ID=str(number // 2)) for number, name in enumerate(names)]
    assert [step.wait(30) for step in steps] == [0] * 4
    devices, ran_together = at_once(*names)
    assert (sorted(devices), ran_together) == (["0", "0", "1", "1"], True)


def test_gpus_are_numbered_as_cuda_does(tmp_path: Path) -> None:
    """CUDA counts those in sight from 0: where /dev shows 3 and 10 alone, they are 0 and 1."""
    find = tmp_path / "find"
    find.write_text("#!/bin/sh\nprintf '/dev/nvidia3\\n/dev/nvidia10\\n'\n")
    find.chmod(0o755)
    env = {**environment(), "TMPDIR": str(tmp_path), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    env.pop("CUDA_VISIBLE_DEVICES", None)
    told = [GPUS, "2", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER"]
    assert subprocess.run(told, env=env, capture_output=True, text=True).stdout == "0,1 PCI_BUS_ID\n"


def test_more_gpus_than_there_are(tmp_path: Path) -> None:
    """Asking for more than the machine has is a user's mistake and no endless wait."""
    step = on_gpus(3, "0,1", 0, tmp_path / "step")
    assert step.wait(30) == 2
    assert step.stderr is not None
    assert step.stderr.read() == "gpus: 3 asked for, 2 here (0 1); ask for less, or make more visible\n"


def test_a_step_without_a_gpu(tmp_path: Path) -> None:
    """A step that asks for none, or where none is in sight, starts at once and as it is."""
    assert on_gpus(0, "0", 0, tmp_path / "none-asked").wait(30) == 0
    assert (tmp_path / "none-asked").read_text().split()[1] == "0"
    done = subprocess.run([GPUS, "1", "true"], env={**environment(), "CUDA_VISIBLE_DEVICES": ""}, capture_output=True)
    assert done.returncode == 0
