"""Whether several processes can share a recipe's batch as it says: told before a search, and when a training starts."""

from collections.abc import Sequence
from typing import Literal

Shares = Sequence[float] | Literal["balanced"] | None
HINT = "a run starts one for each GPU of its training (--set-resources train:gpu=N)"


def count_mistake(section: str, shares: Shares, processes: int) -> str | None:
    """Return, as a line, that there are not as many shares as processes; None where there are."""
    if shares is None or shares == "balanced" or len(shares) == processes:
        return None
    started = f"{processes} process" if processes == 1 else f"{processes} processes"
    return (
        f"{section}.shares = {list(shares)}: {len(shares)} shares for {started}; accepted: one for each; {HINT}, or "
        "torchrun as many as it is told"
    )


def batch_mistake(section: str, batch: int, unit: int, processes: int, *, equal: bool) -> str | None:
    """Return, as a line, that a batch cannot be shared in multiples of ``unit``, or not in ``equal`` parts."""
    even = unit * processes
    if not (batch % unit or batch < even or (equal and batch % even)):
        return None
    steps = f" x accumulation_steps {unit}" if unit > 1 else ""
    if not equal:
        return (
            f"{section}.batch_size = {batch}: is too small for {processes} processes{steps}; accepted: at least {even}"
        )
    return (
        f"{section}.batch_size = {batch}: is not divisible by {processes} processes{steps}; accepted: a multiple of "
        f"{even}, or {section}.shares for unequal parts"
    )
