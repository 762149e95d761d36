"""Plain `snakemake --configfile FILE`, without `make run`: what Snakemake would expand or trip over is told first."""

import resource
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.functional.smoke_run import Folder, environment

LEVELS = "".join(f"a{n}: &a{n} {{{', '.join(f'{key}: *a{n - 1}' for key in 'bcdefghij')}}}\n" for n in range(1, 10))
FILES: Mapping[str, tuple[str, str]] = {
    "aliases": (f"a0: &a0 {{b: x}}\n{LEVELS}", "more than 100,000 values"),
    "depth": (f"a: {'[' * 100_000}\n", "more than 32 levels"),
    "duplicate": ("seed: 1\nseed: 2\n", "the key 'seed' stands in line 1 already"),
}


@pytest.mark.parametrize(
    "name",
    ["aliases", pytest.param("depth", marks=pytest.mark.slow), pytest.param("duplicate", marks=pytest.mark.slow)],
)
def test_a_bad_file_is_one_line(name: str, tmp_path: Path) -> None:
    """It ends in a line that names the file, before Snakemake has read it, in little time and memory."""
    folder = Folder.new(tmp_path / "run")
    text, says = FILES[name]
    (folder.path / "bad.yaml").write_text(text)
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    command = [*folder.command()[4:], "--configfile", "bad.yaml"]
    done = subprocess.run(
        ["snakemake", "-n", *command], cwd=folder.path, env=environment(), capture_output=True, text=True, timeout=120
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    (line,) = done.stderr.splitlines()
    assert done.returncode and line.startswith("snakemake: bad.yaml: ") and says in line
    assert used.ru_utime - start.ru_utime < 10 and time.monotonic() - began < 120
    assert not (folder.path / ".snakemake").exists()
