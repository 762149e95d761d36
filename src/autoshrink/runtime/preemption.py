"""Preemption: stop at a checkpoint on SIGTERM or SIGUSR1, which schedulers such as SLURM send before they take a node.

A training asks between two steps whether it was told; if so it writes a checkpoint and raises ``Preempted``, which the
command line turns into status 75 (try again): the same command goes on from there.
"""

import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
STATUS = 75  # EX_TEMPFAIL of sysexits.h
AGREE_EVERY = 16  # steps between two votes of several processes, which cost a collective each

_told = threading.Event()


class Preempted(Exception):
    """A training was told to stop, and has written a checkpoint. The message says how far it is."""


def listen() -> None:
    """From now on take note of the signals instead of dying of them. Call it in the main thread."""
    _told.clear()
    for number in SIGNALS:
        signal.signal(number, _note)


def told() -> bool:
    """Return whether this process was told to stop."""
    return _told.is_set()


def agreed(step: int) -> bool:
    """Return whether the training should stop after this step: all processes of ``torchrun`` together, or none."""
    from torch import distributed

    if not distributed.is_initialized():
        return told()
    if step % AGREE_EVERY:
        return False
    import torch

    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    votes = torch.tensor(int(told()), device=device)
    distributed.all_reduce(votes, distributed.ReduceOp.MAX)
    return bool(votes)


def _note(number: int, frame: FrameType | None) -> None:
    _told.set()
