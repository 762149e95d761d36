"""A resident process does a command as the command itself would, and leaves nothing behind."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoshrink.runtime import resident

# what a fork does: tells where it is, then as its words say
SERVER = """
import os, signal, sys, time
from pathlib import Path
from autoshrink.runtime import resident
request = resident.await_request(sys.argv[1])
if request is None:
    sys.exit(0)
verb, place = request.words
print(verb, os.getcwd(), os.environ.get("MINE"), sys.argv[0], sys.stdin.read(), flush=True)
print("aloud", file=sys.stderr)
if verb == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if verb == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
    Path(place).write_text(str(os.getpid()))
    time.sleep(60)
sys.exit(7)
"""
COMMAND = """
import sys
from autoshrink.runtime import resident
status = resident.ask(sys.argv[1:])
sys.exit(99 if status is None else status)
"""


def serving() -> tuple["subprocess.Popen[bytes]", str]:
    """Start a resident process and return it with its socket's name."""
    name = f"autoshrink-test-{secrets.token_hex(16)}"
    process = subprocess.Popen([sys.executable, "-c", SERVER, name], stdin=subprocess.PIPE)
    while not is_there(name):
        assert process.poll() is None
        time.sleep(0.01)
    return process, name


def is_there(name: str) -> bool:
    """Return whether a socket of this name is listened to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        return connection.connect_ex(f"\0{name}") == 0


@pytest.fixture
def server() -> Iterator[str]:
    """A resident process; its socket's name."""
    process, name = serving()
    yield name
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0
    assert not is_there(name)


def command(name: str, *words: object, **more: str) -> "subprocess.Popen[str]":
    """Start a command that asks the resident process."""
    clean = {key: value for key, value in os.environ.items() if key not in ("RANK", "CUDA_VISIBLE_DEVICES")}
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, words)],
        env={**clean, resident.VARIABLE: name, **more},
        cwd=tempfile.gettempdir(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begun(place: Path) -> int:
    """Return the process of a fork that waits."""
    while not (place.exists() and place.read_text()):
        time.sleep(0.01)
    return int(place.read_text())


def ended(process: int) -> bool:
    """Return whether a process is gone within ten seconds."""
    for _ in range(1000):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_a_command_has_its_folder_environment_files_and_status(server: str) -> None:
    """Many at once, each with its own."""
    commands = [command(server, "do", "x", MINE=str(number)) for number in range(6)]
    for number, process in enumerate(commands):
        said, aloud = process.communicate(f"input {number}", timeout=30)
        assert said == f"do {tempfile.gettempdir()} {number} autoshrink input {number}\n"
        assert (aloud, process.returncode) == ("aloud\n", 7)


def test_a_fork_that_is_killed_kills_its_command(server: str) -> None:
    """The command ends by the same signal, so that a scheduler sees what happened."""
    process = command(server, "kill", "x")
    process.communicate("", timeout=30)
    assert process.returncode == -signal.SIGKILL


def test_signals_reach_the_fork(server: str, tmp_path: Path) -> None:
    """A step that is told to stop stops in its own way, and its status is the command's."""
    process = command(server, "wait", tmp_path / "begun")
    assert process.stdin is not None
    process.stdin.close()
    fork = begun(tmp_path / "begun")
    process.terminate()
    assert process.wait(30) == 75
    assert ended(fork)


def test_a_fork_ends_with_its_command(server: str, tmp_path: Path) -> None:
    """Whoever kills the command kills the step."""
    process = command(server, "wait", tmp_path / "begun")
    assert process.stdin is not None
    process.stdin.close()
    fork = begun(tmp_path / "begun")
    process.kill()
    process.wait(30)
    assert ended(fork)


@pytest.mark.parametrize("name", ["RANK", "CUDA_VISIBLE_DEVICES", "TORCHELASTIC_RUN_ID"])
def test_who_must_not_be_forked_runs_alone(server: str, name: str) -> None:
    """A process with GPUs, or one of several that train together, is not asked for."""
    process = command(server, "do", "x", **{name: "0"})
    process.communicate("", timeout=30)
    assert process.returncode == 99


def test_without_a_resident_process_a_command_runs_alone() -> None:
    process = command("autoshrink-nothing", "do", "x")
    process.communicate("", timeout=30)
    assert process.returncode == 99


def test_another_environments_command_runs_alone(server: str, tmp_path: Path) -> None:
    """Such as that of a rule with an environment of its own: it must not run this one's code."""
    copy = tmp_path / "elsewhere" / "autoshrink" / "runtime"
    copy.mkdir(parents=True)
    (copy / "resident.py").write_bytes(Path(resident.__file__).read_bytes())
    for folder in (copy, copy.parent):
        (folder / "__init__.py").touch()
    process = command(server, "do", "x", PYTHONPATH=str(tmp_path / "elsewhere"))
    process.communicate("", timeout=30)
    assert process.returncode == 99


def test_a_command_outlives_the_resident_process(tmp_path: Path) -> None:
    """Where that dies, the fork ends first, and then the command does its step itself."""
    server, name = serving()
    process = command(name, "wait", tmp_path / "begun")
    assert process.stdin is not None
    process.stdin.close()
    fork = begun(tmp_path / "begun")
    server.kill()
    server.wait()
    assert process.poll() is None
    os.kill(fork, signal.SIGTERM)
    assert process.wait(30) == 99


def test_who_ignores_hangups_has_a_fork_that_does(server: str, tmp_path: Path) -> None:
    """As under nohup."""
    place = tmp_path / "begun"
    ignoring = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n{COMMAND}"
    process = subprocess.Popen(
        [sys.executable, "-c", ignoring, "wait", str(place)],
        env={**os.environ, resident.VARIABLE: server},
        stdin=subprocess.DEVNULL,
    )
    fork = begun(place)
    for number in (process.pid, fork):
        os.kill(number, signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    assert process.wait(30) == 75


@pytest.mark.parametrize("content", [b"\0\0\0\1x", b"\0\0\0\2{}", b""])
def test_nonsense_does_not_stop_the_resident_process(server: str, content: bytes) -> None:
    """Whoever asks after it is answered."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(f"\0{server}")
        connection.sendall(content)
    process = command(server, "do", "x")
    process.communicate("", timeout=30)
    assert process.returncode == 7


def test_nothing_is_left_where_all_is_killed(tmp_path: Path) -> None:
    """The process that started it and the resident process are killed at once: there was no file to leave."""
    holder = (
        "import os, sys; from autoshrink.cli import resident; from autoshrink import params;"
        "resident.start(params.load([])); print(os.environ[resident.resident.VARIABLE], flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline().startswith("autoshrink-")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_not_served(server: str) -> None:
    """An abstract socket has no permissions, so both sides ask who the other is."""
    as_another = COMMAND.replace("status =", "import os; os.seteuid(65534)\nstatus =", 1)
    environment = {**os.environ, resident.VARIABLE: server}
    assert subprocess.run([sys.executable, "-c", as_another, "do", "x"], env=environment).returncode == 99
