"""A run's resident process: it imports everything once and forks a process for each step that is asked of it.

Starting Python and importing torch costs a step two CPU seconds, often more than its work. ``await_request`` is the
resident process's part, ``ask`` the step's own command's. A fork does its step as a process of its own would: it has
the command's folder, environment, umask, files, signals and status, and ends when the command does, however that ends;
limits of resources are the run's. No step runs here, and nothing is kept but code. Where anything fails between the
two, the command does its step itself. The socket is an abstract one, of which no file is left however a run ends, and
both sides make sure that the other is the same user's. Linux only; torch-free.
"""

import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "AUTOSHRINK_RESIDENT"
"""Names the resident process's socket to the commands of a run."""

# where a step has GPUs, or is one of several processes, it starts as usual: torch must not be forked there
_ALONE = ("CUDA_VISIBLE_DEVICES", "RANK", "TORCHELASTIC_RUN_ID")
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
PATIENCE = 5.0
"""Seconds that a command has to say what it wants, while others wait."""
_LENGTH = struct.Struct("!I")
_CREDENTIALS = struct.Struct("3i")  # process, user, group


@dataclass(frozen=True)
class Request:
    """A command: its words without the program's name, its working folder, environment, umask and the signals that it
    ignores, and whose code it runs."""

    words: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    umask: int
    ignored: Sequence[int]
    program: str


# the environment's and the package's: a command of another environment, such as a rule's own, runs by itself
PROGRAM = f"{sys.prefix}:{__file__}"


def ask(words: Sequence[str]) -> int | None:
    """Have the resident process do a command and return its status; None where there is none to ask."""
    name = os.environ.get(VARIABLE)
    if not name or any(variable in os.environ for variable in _ALONE):
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        request = json.dumps(asdict(_this(words))).encode()
        try:
            connection.connect(_address(name))
            if _user(connection) != os.geteuid():
                return None
            socket.send_fds(connection, [_LENGTH.pack(len(request))], [0, 1, 2])
            connection.sendall(request)
            process = _received(connection)
        except OSError:
            return None
        if process is None:  # it ended before it began the step
            return None
        before = {number: signal.getsignal(number) for number in _FORWARDED}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, lambda number, frame: _forward(process, number))
        try:
            status = _received(connection)
        except OSError:
            status = None
        for number, handler in before.items():
            signal.signal(number, handler)
    if status is not None and status < 0:
        with suppress(OSError):  # nobody can change what SIGKILL does
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status  # None: the resident process died, and the fork has ended as well, for its end of this is closed


def _address(name: str) -> str:
    return f"\0{name}"


def _user(connection: socket.socket) -> int:
    """Return whose process is at the other end: anybody's may be, for an abstract socket has no permissions."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(found)[1])


def _this(words: Sequence[str]) -> Request:
    """Return the request for this process's own command."""
    umask = os.umask(0o077)
    os.umask(umask)
    ignored = [int(number) for number in _FORWARDED if signal.getsignal(number) is signal.SIG_IGN]
    return Request(list(words), str(Path.cwd()), dict(os.environ), umask, ignored, PROGRAM)


def _forward(process: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _received(connection: socket.socket) -> int | None:
    """Return the next number that the other side sends; None where it has ended."""
    data = b""
    while len(data) < 4:
        more = connection.recv(4 - len(data))
        if not more:
            return None
        data += more
    return int(struct.unpack("!i", data)[0])


def await_request(name: str) -> Request | None:
    """Serve requests at a socket until stdin ends, which it does with the process that holds its other end.

    Returns in each fork: the request that is its own, with this process made over to be what the request asks for.
    Returns None in the process that was called, when its time is over and no fork is at work.
    """
    for number in _FORWARDED:
        signal.signal(number, signal.SIG_IGN)
    _allow_many_files()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, selectors.DefaultSelector() as events:
        listener.bind(_address(name))
        listener.listen(128)
        events.register(listener, selectors.EVENT_READ)
        events.register(0, selectors.EVENT_READ)
        at_work: dict[int, tuple[int, socket.socket]] = {}
        is_over = False
        while not is_over or at_work:
            for key, _ in events.select():
                if key.fileobj is listener:
                    try:
                        connection, _ = listener.accept()
                    except OSError:  # too many files are open; who asks waits
                        continue
                    taken = _take(connection)
                    if taken is None:
                        connection.close()
                        continue
                    request, files = taken
                    try:
                        process = os.fork()
                    except OSError:  # there are too many processes
                        process = -1
                    if not process:
                        listener.close()
                        events.close()
                        for _, other in at_work.values():
                            other.close()
                        _become(request, files, connection)
                        return request
                    for file in files:
                        os.close(file)
                    if process < 0:
                        connection.close()
                        continue
                    watch = os.pidfd_open(process)
                    at_work[watch] = process, connection
                    events.register(watch, selectors.EVENT_READ)
                    _send(connection, process)
                elif key.fd in at_work:
                    process, connection = at_work.pop(key.fd)
                    events.unregister(key.fd)
                    os.close(key.fd)
                    _send(connection, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
                    connection.close()
                elif not os.read(0, 1):
                    is_over = True
                    events.unregister(0)
                    events.unregister(listener)
                    listener.close()
    return None


def _allow_many_files() -> None:
    """Each fork at work takes two files here."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _send(connection: socket.socket, number: int) -> None:
    with suppress(OSError):  # whoever asked is gone
        connection.sendall(struct.pack("!i", number))


def _take(connection: socket.socket) -> tuple[Request, list[int]] | None:
    """Return a request and the files for stdin, stdout and stderr; None where who asked ended in between."""
    files: list[int] = []
    connection.settimeout(PATIENCE)
    try:
        if _user(connection) != os.geteuid():
            raise OSError("another user's")
        data, files, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
        if len(files) < 3:
            raise OSError("too many files are open")
        (left,) = _LENGTH.unpack(data)
        body = bytearray()
        while len(body) < left:
            more = connection.recv(left - len(body))
            if not more:
                raise OSError("cut short")
            body += more
        request = Request(**json.loads(body))
        if request.program != PROGRAM:
            raise OSError("another program's")
        connection.settimeout(None)
        return request, files
    except (OSError, struct.error, ValueError, TypeError):
        for file in files:
            os.close(file)
        return None


def _become(request: Request, files: Sequence[int], connection: socket.socket) -> None:
    """Make this fork what the command would have been as a process of its own."""
    os.setsid()  # signals come from the command alone, once each
    for number in _FORWARDED:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for ignored in request.ignored:
        signal.signal(ignored, signal.SIG_IGN)
    os.umask(request.umask)
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False, errors=sys.stdout.errors)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, errors="backslashreplace", buffering=1)  # noqa: SIM115
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = ["autoshrink", *request.words]
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()


def _end_with(connection: socket.socket) -> None:
    """Wait until the command that asked has ended, and end at once: it was killed, or it would have waited."""
    with suppress(OSError):
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)
