"""Do different CPUs compute the same bits, and what does that cost? Trains one default candidate of each task.

    python -m benchmarks.numerics --data data --out benchmarks/results/numerics.csv
    python -m benchmarks.numerics --data data --out ... --under "qemu-x86_64 -cpu Haswell-noTSX"

Every row is a process of its own on one thread, and ends with the digest of the trained weights. ``--under`` runs it
under an emulator, which computes the bits of another kind of CPU (and takes a hundred times as long, so its times are
left out).
"""

import hashlib
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from autoshrink.runtime import numerics

from . import tables

ROOT = Path(__file__).parent.parent
COLUMNS = ["cpu", "torch", "task", "numerics", "digest", "cpu_seconds_per_epoch"]
EPOCHS = 2


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="data", help="The folder of prepared data sets.")
@click.option("--tasks", default="cnn,rnn")
@click.option("--modes", default="portable,native")
@click.option("--under", default="", help="The command of an emulator that each process runs under.")
@click.option("--repeats", default=1, help="Interleaved; the least CPU time is written.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The CSV file to append to.")
@click.option("--child", nargs=2, hidden=True, help="Train this task in this mode.")
def main(
    data: Path, tasks: str, modes: str, under: str, repeats: int, out: Path, child: tuple[str, str] | None
) -> None:
    """Measure, print and append to the CSV file."""
    if child:
        print(json.dumps(train(*child, data)))
        return
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for _ in range(repeats):
        for task in tasks.split(","):
            for mode in modes.split(","):
                command = [*shlex.split(under), sys.executable, "-m", "benchmarks.numerics"]
                command += ["--data", str(data), "--out", str(out), "--child", task, mode]
                done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
                if done.returncode:
                    sys.exit(done.stderr)
                row = json.loads(done.stdout.splitlines()[-1])
                row["cpu"] = shlex.split(under)[-1] + ", emulated" if under else numerics.cpu()
                seconds = row.pop("seconds")
                before = rows.setdefault((task, mode), {**row, "cpu_seconds_per_epoch": "" if under else seconds})
                assert before["digest"] == row["digest"], f"two digests of {task} on one CPU"
                if not under:
                    before["cpu_seconds_per_epoch"] = min(before["cpu_seconds_per_epoch"], seconds)
    tables.append(out, COLUMNS, rows.values())
    for row in rows.values():
        print(*row.values(), sep="\t")


def train(task: str, mode: str, data: Path) -> dict[str, Any]:
    """Train one default candidate for two epochs; return the digest of its weights and CPU seconds an epoch."""
    numerics.apply("portable" if mode == "portable" else "native")
    import torch

    from autoshrink import params
    from autoshrink.params.base import Task
    from autoshrink.runtime import devices
    from autoshrink.tasks.language import proxy as language_proxy
    from autoshrink.tasks.vision import proxy as vision_proxy
    from benchmarks import loops, search

    # the recorded digests are of a vocabulary with the words of these test lines
    words = "proxy.rnn.test_lines=150"
    parameters = params.load([ROOT / "params.yaml"], [f"compute.numerics={mode}", "compute.device=cpu", words])
    devices.pick(parameters.compute)
    torch.set_num_threads(1)
    recipe, drawn = search.proxy_of(parameters, Task(task), data, False, EPOCHS)
    cell, seed = loops.candidates_of(Task(task), parameters, 1)[0]
    make: Any = vision_proxy.ImageTrial if task == "cnn" else language_proxy.LanguageTrial
    trial = make(cell, recipe, drawn, seed, torch.device("cpu"), True)
    start = time.process_time()
    for _ in range(EPOCHS):
        trial.run_epoch()
    seconds = (time.process_time() - start) / EPOCHS
    digest = hashlib.sha256()
    trained = trial._module if task == "cnn" else trial._model
    for tensor in trained.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    return {
        "torch": torch.__version__,
        "task": task,
        "numerics": mode,
        "digest": digest.hexdigest()[:16],
        "seconds": round(seconds, 3),
    }


if __name__ == "__main__":
    main()
