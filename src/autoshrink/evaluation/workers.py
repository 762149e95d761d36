"""Train candidates in parallel single-threaded processes: on a CPU, two outrun one process of two threads."""

from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from torch import multiprocessing

from autoshrink.errors import UserError
from autoshrink.evaluation.lanes import Key, Progress, in_turn
from autoshrink.runtime import devices
from autoshrink.tasks.spec import ProxyTrial


def in_processes(work: Iterable[tuple[Key, Callable[[], ProxyTrial]]], processes: int) -> Iterator[Progress[Key]]:
    """Train as many candidates at a time as there are ``processes``; what makes a candidate must be picklable.

    A candidate's numbers are those of one thread, however many processes there are. Raises what a candidate raises, and
    UserError where a process was killed.
    """
    # spawned, not forked: torch's threads do not survive a fork
    context = multiprocessing.get_context("spawn")
    waiting = iter(work)
    pipes: dict[Connection[Any, Any], BaseProcess] = {}
    try:
        for item in waiting:
            pipe, far = context.Pipe()
            pipes[pipe] = context.Process(target=_work, args=(far,), daemon=True)
            pipes[pipe].start()
            far.close()
            pipe.send(item)
            if len(pipes) == processes:
                break
        while pipes:
            for ready in wait(list(pipes)):
                assert isinstance(ready, Connection)
                try:
                    message = ready.recv()
                except EOFError:
                    raise UserError(
                        "a process that trained a candidate was killed, possibly for lack of memory; "
                        "lower compute.threads or proxy's batch_size"
                    ) from None
                if isinstance(message, Exception):
                    raise message
                yield message
                if message.result is None:
                    continue
                following = next(waiting, None)
                ready.send(following)
                if following is None:
                    pipes.pop(ready).join()
    finally:
        for process in pipes.values():
            process.kill()


def _work(pipe: "Connection[Any, Any]") -> None:
    """Train what comes through the pipe until None does."""
    devices.set_threads(1)
    try:
        while (item := pipe.recv()) is not None:
            for progress in in_turn([item]):
                pipe.send(progress)
    except Exception as error:
        pipe.send(error)
