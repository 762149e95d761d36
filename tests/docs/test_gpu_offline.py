"""``docs/how-to/gpu-offline.md`` works as printed, with a Python that has torch and timm and finds no index."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.docs import pages
from tests.docs.test_commands import checkout, run

PAGE = pages.ROOT / "docs/how-to/gpu-offline.md"
THERE = ("torch", "torchvision", "timm", "safetensors", "networkx", "pandas", "rich", "pyyaml", "pillow", "pip")


def closure(names: tuple[str, ...]) -> set[str]:
    """Return the installed distributions that these need, themselves included."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop().lower())
        if name in found:
            continue
        try:
            requires = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        needed = [Requirement(line) for line in requires if "extra ==" not in line]
        todo += [one.name for one in needed if one.marker is None or one.marker.evaluate()]
    return found


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has what the page takes for granted, without what it says to carry."""
    folder = tmp_path_factory.mktemp("system")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # whatever those need that this page carries is taken away: an older release may not need it
    for name in closure(THERE) - {"click", "typing-extensions"}:
        for file in importlib.metadata.files(name) or []:
            top = Path(str(file)).parts[0]
            place = Path(str(importlib.metadata.distribution(name).locate_file(top)))
            if top not in ("..", "__pycache__") and place.exists() and not (site / top).exists():
                (site / top).symlink_to(place)
    return folder


@pytest.mark.slow
def test_the_page_works_without_an_index(system: Path, tmp_path: Path) -> None:
    """Wheels and data come from a machine with an index; then nothing is fetched, and no network is there."""
    folder = checkout(tmp_path / "checkout", {})
    carried, data, *offline, on_gpu = [block for block in pages.blocks(PAGE) if block.elsewhere == Path(__file__)]
    (tests,) = re.findall(r"^GPU_TESTS := (.*)$", (folder / "Makefile").read_text(), re.MULTILINE)
    assert f"AUTOSHRINK_TEST_DEVICE=cuda python3 -m pytest -q {tests}\n" in on_gpu.text
    here = {**os.environ, "PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    here.pop("PYTHONPATH", None)
    version = ".".join(map(str, sys.version_info[:2]))
    run(["bash", "-euo", "pipefail", "-c", carried.text.replace("3.12", version)], str(carried), folder, here)
    run(["bash", "-euo", "pipefail", "-c", data.text], str(data), folder, {**here, "PYTHONPATH": str(folder / "src")})

    there = {**here, "PATH": f"{system / 'bin'}:/usr/bin:/bin", "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    alone = ["unshare", "--net", "--map-root-user"] if cuts_off() else []
    text = "\n".join(block.text for block in offline)
    run([*alone, "bash", "-euo", "pipefail", "-c", text], str(offline[0]), folder, there)
    assert (folder / "round-01/round.json").exists()
    rows = (folder / "rehearsal/cpu.csv").read_text()
    assert "together equals alone,1" in rows and "failed" not in rows


def cuts_off() -> bool:
    """Whether this machine lets a process give up the network."""
    command = ["unshare", "--net", "--map-root-user", "true"]
    return shutil.which("unshare") is not None and not subprocess.run(command, capture_output=True).returncode
