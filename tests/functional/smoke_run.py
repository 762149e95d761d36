"""Real runs in folders of their own."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SMOKE = ROOT / "workflow/presets/smoke.yaml"
RESULTS = "results-smoke"


@dataclass(frozen=True)
class Folder:
    """A working folder with the default params.yaml, in which the smoke preset (or another) is run."""

    path: Path
    overlays: tuple[Path, ...] = (SMOKE,)

    @classmethod
    def new(cls, path: Path) -> "Folder":
        """Make the folder."""
        path.mkdir(parents=True)
        shutil.copy(ROOT / "params.default.yaml", path / "params.yaml")
        return cls(path)

    def overlaid(self, text: str) -> "Folder":
        """Return the same folder with one overlay more, whose YAML is ``text``."""
        overlay = self.path / f"overlay-{len(self.overlays)}.yaml"
        overlay.write_text(text)
        return Folder(self.path, (*self.overlays, overlay))

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run plain Snakemake."""
        command: list[str | Path] = [BIN / "snakemake", *self._workflow(), *arguments]
        return subprocess.run(command, cwd=self.path, env=environment(), capture_output=True, text=True, timeout=1800)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run what ``make run`` runs."""
        command = self.command(*arguments)
        return subprocess.run(command, cwd=self.path, env=environment(), capture_output=True, text=True, timeout=1800)

    def killed(self, seconds: float, *, everything: bool) -> None:
        """Run what ``make run`` runs and SIGKILL it after a while: Snakemake and its jobs, or Snakemake alone."""
        process = subprocess.Popen(
            self.command(),
            cwd=self.path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        if everything:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()

    def digests(self) -> dict[str, str]:
        """Return the sha256 of every deterministic artifact: data, evaluations, rounds, cells, models, metrics."""
        found = {}
        for folder in (RESULTS, "store", "data"):
            for file in sorted((self.path / folder).rglob("*")):
                if "logs" in file.parts:  # event files are named by the clock, and so is the list of them
                    continue
                # timings differ, and a record names the code's commit, which may move while tests run
                if file.suffix in (".json", ".safetensors", ".npy", ".npz") and not file.name.endswith(
                    (".timing.json", ".lineage.json")
                ):
                    found[str(file.relative_to(self.path))] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found

    def prepared(self, name: str) -> Path:
        """Return the folder of a data set that is prepared in ``data``, under whichever address."""
        (found,) = (self.path / "data").glob(f"{name}-*")
        return found

    def log(self, name: str) -> str:
        """Return what a step has logged."""
        return (self.path / RESULTS / "logs" / name).read_text()

    def copied(self, path: Path) -> "Folder":
        """Return a copy of the folder, times of modification and Snakemake's records included."""
        shutil.copytree(self.path, path, symlinks=True)
        overlays = [path / file.name if file.parent == self.path else file for file in self.overlays]
        return Folder(path, tuple(overlays))

    def _workflow(self) -> list[str]:
        return ["--snakefile", str(ROOT / "Snakefile"), "--configfile", *map(str, self.overlays)]

    def command(self, *arguments: str) -> list[str]:
        """Return the words of what `make run` runs."""
        return [sys.executable, str(ROOT / "tools/run.py"), *arguments, "--cores", "2", *self._workflow()]


def environment() -> dict[str, str]:
    """Return an environment in which ``autoshrink`` and ``snakemake`` are this environment's, one thread each."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AUTOSHRINK_")}
    return {**clean, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
