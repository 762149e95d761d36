"""Makes the environment: .venv with exactly what requirements.lock pins, and this package, editable. Needs only Python.

    python3 tools/set_up.py            does nothing, in no time, when nothing has changed since the last time
    python3 tools/set_up.py lock       resolves pyproject.toml anew into requirements.lock

uv does the installing because it takes a fraction of pip's time; it is pinned here, since it comes before the lock. It
does not read pip's configuration, so what that says of indexes and certificates is handed on.
"""

import hashlib
import os
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

UV = "uv==0.13.8"
LEAST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("AUTOSHRINK_VENV", ROOT / ".venv"))
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "set-up.sha256"
PYTHON = VENV / "bin" / "python"


def main(arguments: list[str]) -> int:
    """Bring the environment up to date, or resolve the lock anew; return the exit status."""
    if sys.version_info < LEAST_PYTHON:
        version, least = sys.version.split()[0], ".".join(map(str, LEAST_PYTHON))
        return complain(f"Python {version} is too old; needed: {least} or newer; say PYTHON=python3.12 make ...")
    if arguments not in ([], ["lock"]):
        return complain(f"unknown arguments {' '.join(arguments)}; accepted: none, or lock")
    try:
        if arguments == ["lock"]:
            create()
            lock()
        elif not STAMP.exists() or STAMP.read_text() != wanted():
            install()
    except subprocess.CalledProcessError as error:
        return complain(f"{Path(error.cmd[0]).name} {error.cmd[1]} ... ended with status {error.returncode}; see above")
    return 0


def complain(message: str) -> int:
    """Print one line for a person and return the status of a failure."""
    print(f"set-up: {message}", file=sys.stderr)
    return 2


def wanted() -> str:
    """Return the digest of everything that the environment is made from."""
    parts = [LOCK.read_bytes(), (ROOT / "pyproject.toml").read_bytes(), Path(__file__).read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def create() -> None:
    """Make the virtual environment, with uv in it, where there is none; a broken one is made anew."""
    if not PYTHON.exists() or subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True).returncode:
        try:
            run(sys.executable, "-m", "venv", "--clear", str(VENV))
        except subprocess.CalledProcessError:
            complain("the venv module does not work here; Debian and Ubuntu have it in the package python3-venv")
            raise
    if subprocess.run([PYTHON, "-m", "uv", "--version"], capture_output=True).stdout.split()[1:2] != [UV[4:].encode()]:
        run(str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", UV)


def install() -> None:
    """Install exactly the lock and this package, and note that it was done."""
    print("set-up: installing the locked environment into .venv (5 GB; a minute or more the first time)", flush=True)
    create()
    STAMP.unlink(missing_ok=True)
    uv("sync", "--quiet", "--require-hashes", str(LOCK))
    uv("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    STAMP.write_text(wanted())


def lock() -> None:
    """Resolve pyproject.toml for every platform and Python >= 3.11; what is locked already stays where it can."""
    options = ["--all-extras", "--universal", "--python-version", "3.11", "--generate-hashes"]
    quiet = ["--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links", "--quiet"]
    uv("compile", *options, *quiet, str(ROOT / "pyproject.toml"), "--output-file", str(LOCK))


def uv(command: str, *arguments: str) -> None:
    """Run ``uv pip COMMAND`` on the environment, under the machine's pip configuration."""
    run(str(PYTHON), "-m", "uv", "pip", command, *arguments, environment=pip_configuration())


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    """Run a command in the project's folder; raises CalledProcessError when it fails."""
    inherited = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    subprocess.run(command, cwd=ROOT, env={**inherited, **(environment or {})}, check=True)


def pip_configuration() -> dict[str, str]:
    """Return pip's configuration (its files and PIP_ variables) as uv's variables; those already set for uv win."""
    listed = subprocess.run([PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    lines = [line.partition("=") for line in listed.splitlines()]
    settings: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):  # the later, the stronger
        settings |= {
            key.removeprefix(section): literal_eval(value) for key, _, value in lines if key.startswith(section)
        }
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "trusted-host": "UV_INSECURE_HOST",
        "cert": "SSL_CERT_FILE",
    }
    result = {names[key]: " ".join(value.split()) for key, value in settings.items() if key in names}
    if "UV_FIND_LINKS" in result:
        result["UV_FIND_LINKS"] = result["UV_FIND_LINKS"].replace(" ", ",")
    if "UV_INDEX" in result:
        # like pip: every index is asked for every package
        result["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    result["UV_HTTP_TIMEOUT"] = settings.get("timeout", settings.get("default-timeout", "180"))
    return {key: value for key, value in result.items() if key not in os.environ}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
