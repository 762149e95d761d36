"""The environment of a step: versions of code and libraries, device. Unknown facts are left out."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import autoshrink
from autoshrink.files import artifacts
from autoshrink.lineage.records import Code, Compute
from autoshrink.params import root as params
from autoshrink.runtime import numerics

PACKAGE = Path(autoshrink.__file__).parent
# Those whose version can change a number.
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "safetensors")


@lru_cache(maxsize=1)
def code() -> Code:
    """Return the code's version: the package's, the sha256 of its sources and, in a git checkout, commit and dirtiness.

    ``dirty`` says whether anything under the package's folder, the lock or pyproject.toml differs from the commit.
    """
    commit, dirty = _commit()
    return Code(version=autoshrink.__version__, sources=_sources(PACKAGE), commit=commit, dirty=dirty)


@lru_cache(maxsize=1)
def libraries() -> dict[str, str]:
    """Return Python's version, the libraries', the kind of machine and, where it is known, the lock's sha256."""
    found = {"python": platform.python_version(), "system": sys.platform, "machine": platform.machine()}
    for name in LIBRARIES:
        version = _version(name)
        if version:
            found[name] = version
    lock = _lock()
    if lock:
        found["lock"] = lock
    return found


def device(compute: params.Compute) -> Compute:
    """Return what a step computed on with torch: the device's kind, CPU threads, deterministic kernels, processes.

    Asks the torch that the step has imported; where it has imported none, only what was asked for is known.
    """
    torch, name = sys.modules.get("torch"), None
    if compute.device == "cpu":
        name = "cpu"
    elif torch is not None:
        name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return Compute(
        threads=compute.threads,
        deterministic=compute.deterministic,
        numerics=numerics.effective(compute.numerics),
        processes=int(os.environ.get("WORLD_SIZE", "1")),  # torchrun's
        device=name,
    )


def _sources(package: Path) -> str:
    """Digest the package's files, Python's caches left out, by relative path and content."""
    files = {
        str(path.relative_to(package)): artifacts.digest_of_file(path)
        for path in _files(package)
        if path.suffix not in (".pyc", ".pyo")
    }
    return artifacts.digest_of(files)


def _files(folder: Path) -> list[Path]:
    found: list[Path] = []
    for entry in os.scandir(folder):
        if entry.is_dir():
            found += [] if entry.name == "__pycache__" else _files(Path(entry.path))
        else:
            found.append(Path(entry.path))
    return found


def _commit() -> tuple[str | None, bool | None]:
    """Return the checkout's commit, and whether anything differs from it; None where there is no checkout."""
    root = _checkout()
    git = shutil.which("git")
    if root is None or git is None:
        return None, None
    # one call for both facts; without optional locks, so that it never disturbs a git command of the user's
    command = [git, "-C", str(root), "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--"]
    try:
        result = subprocess.run(
            [*command, str(PACKAGE), "requirements.lock", "pyproject.toml"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None, None
    commit = next((line.split()[2] for line in result.stdout.splitlines() if line.startswith("# branch.oid ")), None)
    if result.returncode or commit is None or commit == "(initial)":
        return None, None
    return commit, any(not line.startswith("#") for line in result.stdout.splitlines())


def _checkout() -> Path | None:
    """Return the folder of the git checkout whose ``src/`` this package is, if it is one."""
    root = PACKAGE.parent.parent
    is_ours = PACKAGE.parent.name == "src" and (root / "pyproject.toml").is_file() and (root / ".git").exists()
    return root if is_ours else None


def _version(name: str) -> str | None:
    """Return an installed library's version from its metadata folder's name; importlib.metadata takes 50 ms longer."""
    for entry in sys.path:
        for path in Path(entry or ".").glob(f"{name}-*.dist-info"):
            return path.name[len(name) + 1 : -len(".dist-info")]
    return None


def _lock() -> str | None:
    """Return the lock's sha256 where the set-up has vouched that this environment was made from it (its stamp)."""
    root = PACKAGE.parent.parent
    parts = [root / "requirements.lock", root / "pyproject.toml", root / "tools" / "set_up.py"]
    stamp = Path(sys.prefix) / "set-up.sha256"
    if not stamp.is_file() or not all(part.is_file() for part in parts):
        return None
    expected = hashlib.sha256(b"\0".join(part.read_bytes() for part in parts)).hexdigest()
    return artifacts.digest_of_file(parts[0]) if stamp.read_text() == expected else None


def machine() -> Mapping[str, str | int | None]:
    """Return which machine this is: of interest beside a timing, and never part of what a digest covers."""
    return {
        "host": platform.node(),
        "cpu": numerics.cpu(),
        "cpus": os.cpu_count(),
        "platform": platform.platform(),
    }
