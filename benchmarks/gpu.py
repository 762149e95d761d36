"""All numbers that need a CUDA GPU, in calls of at most ten minutes; each call goes on where the last one stopped.

    python -m benchmarks.gpu                                        (make bench-gpu)
    python -m benchmarks.gpu --parts exact,rounds --minutes 5

Parts, in this order: ``exact`` (candidates together equal candidates alone, bit for bit), ``steps`` (ShrinkRNN's and
ShrinkCNN-A's training), ``rounds`` (k = 1 to 20 candidates of the paper's searches, and the plain loop), ``searches``
(both of them from start to best, job by job and as Snakemake runs them), ``layouts`` (memory layouts, precisions,
deterministic kernels), ``input`` (ImageNet's decoding and augmentation). A case is a process of its own; its rows are
in the file once it ends, and a case in the file is not measured again. What a search had finished when its call ended,
it keeps.

Prepared data in ``--data`` is used where it is there. Where it is not, random data of the same size is, and no
candidate stops early: the time is then an upper bound.
"""

import csv
import dataclasses
import datetime
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from . import tables

ROOT = Path(__file__).parent.parent
PARTS = ("exact", "steps", "rounds", "searches", "layouts", "input")
COLUMNS = ("date", "torch", "preset", "data", "part", "case", "quantity", "value", "unit")
WHOLE = 480.0
"""Seconds that a case is given at least before it counts as one that does not end."""


EXACT: dict[str, dict[str, Any]] = {
    "tf32": {"precision": "tf32"},
    "bfloat16": {"precision": "bfloat16"},
    "dropout": {"dropout": 0.3},
    "channels first": {"channels_last": False},
}
"""Variants of which together equals alone, too."""


@dataclass(frozen=True)
class Case:
    """One measurement: what it measures, and the seconds below which it is not begun."""

    part: str
    name: str
    settings: dict[str, Any]
    needs: float = 60.0


@dataclass(frozen=True)
class Setting:
    """What all cases of a call share; ``work`` is where a search keeps what it has finished."""

    preset: str
    data: str
    device: str
    work: str


def cases(rehearsal: bool = False) -> list[Case]:
    """Return all measurements, part by part; in a rehearsal fewer of each kind."""
    tasks = ("cnn", "rnn")
    found = [Case("exact", f"{task}, graphs", {"task": task}) for task in tasks]
    found += [Case("exact", f"{task}, kernel by kernel", {"task": task, "graphs": False}) for task in tasks]
    found += [Case("exact", f"cnn, graphs, {word}", {"task": "cnn", **settings}) for word, settings in EXACT.items()]
    found += [Case("steps", f"shrinkrnn, {optimizer}", {"optimizer": optimizer}) for optimizer in ("sgd", "asgd")]
    found += [Case("steps", "shrinkrnn, epochs", {"optimizer": "epochs"}, 120.0)]
    found += [
        Case("steps", f"shrinkcnn-a, {precision}", {"precision": precision})
        for precision in ("float32", "tf32", "bfloat16")
    ]
    for task in tasks:
        found += [Case("rounds", f"{task}, plain loop", {"task": task, "way": "plain", "k": 2}, 120.0)]
        numbers = (1, 2) if rehearsal else (10, 1, 5, 20, 2, *(k for k in range(3, 20) if k not in (5, 10)))
        found += [Case("rounds", f"{task}, k = {k}", {"task": task, "way": "engine", "k": k}, 90.0) for k in numbers]
        found += [Case("rounds", f"{task}, k = 10, 8 GiB", {"task": task, "way": "engine", "k": 10, "gib": 8.0}, 90.0)]
    ways = ("jobs", "snakemake") if importlib.util.find_spec("snakemake") else ("jobs",)
    found += [
        Case("searches", f"{task}, {way}", {"task": task, "way": way}) for way in ways for task in reversed(tasks)
    ]
    found += [
        Case(
            "layouts",
            f"{'channels last' if last else 'channels first'}, {precision}, {'' if fixed else 'not '}deterministic",
            {"channels_last": last, "precision": precision, "deterministic": fixed},
        )
        for last in (True, False)
        for precision in ("float32", "tf32", "bfloat16")
        for fixed in (True, False)
    ]
    cores = len(os.sched_getaffinity(0))
    workers = (0,) if rehearsal else sorted({1, 4, 8, 16, cores})
    found += [Case("input", f"{count} workers", {"workers": count}) for count in workers if count <= cores]
    return found


def measured(path: Path, preset: str, retry: bool = False) -> set[tuple[str, str]]:
    """Return the (part, case) that the file already has for this preset; with ``retry``, not those that failed."""
    if not path.exists():
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["preset"] == preset]
    return {(row["part"], row["case"]) for row in rows if not (retry and row["quantity"] == "failed")}


def run(case: Case, setting: Setting, seconds: float) -> list[dict[str, Any]] | None:
    """Measure a case in a session of its own, whose processes have all ended when this returns.

    Returns its rows; one that says why, where it failed or did not end in ``WHOLE`` seconds or more; None where it had
    less time than that and did not end.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder) / "rows.json", Path(folder) / "log.txt"
        about = json.dumps({"case": dataclasses.asdict(case), "setting": dataclasses.asdict(setting)})
        with log.open("w") as file:
            process = subprocess.Popen(
                command(about, out),
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            ended = False
            try:
                process.wait(seconds)
                ended = True
            except subprocess.TimeoutExpired:
                pass
            finally:
                end_session(process.pid)
                process.wait()
        if out.exists():
            rows: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8"))
            return rows
        if not ended and seconds < WHOLE:
            return None
        last = next(
            (line for line in reversed(log.read_text().splitlines()) if line.strip()), f"status {process.returncode}"
        )
        why = last[:300] if ended else f"did not end in {seconds:.0f} s"
        return [{"quantity": "failed", "value": why, "unit": ""}]


def command(about: str, out: Path) -> list[str]:
    """Return the words of a case's process."""
    return [sys.executable, "-m", "benchmarks.gpu_cases", about, str(out)]


def end_session(leader: int) -> None:
    """Kill every process of the session that ``leader`` began, also those that left its group."""
    while members := [pid for pid in processes() if _session(pid) == leader]:
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def processes() -> list[int]:
    """Return the numbers of all processes."""
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _session(pid: int) -> int | None:
    """Return the session of a process that has not ended; None where it has."""
    try:
        # pid (name, which may hold anything) state parent group session
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return None
    return None if state == "Z" else int(session)


def todo(parts: Sequence[str], done: set[tuple[str, str]], rehearsal: bool) -> Iterator[Case]:
    """Yield what is left to measure, in the order of ``PARTS``."""
    for part in PARTS:
        if part in parts:
            yield from (case for case in cases(rehearsal) if case.part == part and (part, case.name) not in done)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="data", help="The folder of prepared data sets.")
@click.option("--parts", default=",".join(PARTS), show_default=True, help="What to measure.")
@click.option("--minutes", default=9.5, show_default=True, help="This call ends after so long, whatever is left.")
@click.option("--rehearse", is_flag=True, help="Try it all on a CPU with the smoke preset; the numbers mean nothing.")
@click.option("--retry", is_flag=True, help="Measure again what failed.")
@click.option("--out", type=click.Path(path_type=Path), default="benchmarks/results/gpu", help="A folder.")
def main(data: Path, parts: str, minutes: float, rehearse: bool, retry: bool, out: Path) -> None:
    """Measure what the file of this GPU lacks, a case at a time, and say what is left."""
    deadline = time.monotonic() + 60 * minutes
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if unknown := set(parts.split(",")) - set(PARTS):
        raise click.ClickException(f"--parts: {', '.join(sorted(unknown))} is no part; accepted: {', '.join(PARTS)}")
    device, torch = ("cpu", "rehearsal") if rehearse else _gpu()
    path = out / f"{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-')}.csv"
    setting = Setting(
        "smoke" if rehearse else "paper",
        str(data.resolve()),
        "cpu" if rehearse else "cuda",
        str((out / "work").resolve()),
    )
    wanted = parts.split(",")
    for case in todo(wanted, measured(path, setting.preset, retry), rehearse):
        left = deadline - time.monotonic()
        if left < case.needs:
            continue
        found = run(case, setting, left)
        if found is None:
            break
        about = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "torch": torch,
            "preset": setting.preset,
        }
        tables.append(
            path, COLUMNS, [{"data": "", **about, "part": case.part, "case": case.name, **row} for row in found]
        )
        for row in found:
            click.echo(f"{case.part}: {case.name}: {row['quantity']} {row['value']} {row['unit']}".rstrip())
    rest = len(list(todo(wanted, measured(path, setting.preset), rehearse)))
    click.echo(f"{path}: {rest} cases left; call again" if rest else f"{path}: complete")


def _gpu() -> tuple[str, str]:
    """Return the GPU's name and torch's version. Raises ClickException where torch can use none."""
    script = "import torch; print(torch.cuda.get_device_name()); print(torch.__version__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1]
        raise click.ClickException(f"there is no CUDA GPU that torch can use here ({why}); --rehearse tries the code")
    device, torch = done.stdout.split("\n")[:2]
    return device, torch


if __name__ == "__main__":
    main()
