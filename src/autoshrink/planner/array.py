"""For what is planned: an array of accelerators, split in two again and again until single devices are left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from autoshrink.errors import UserError

NAMED = 4
"""Kinds of device that a group's words name."""


@dataclass(frozen=True)
class Accelerator:
    """One kind of device: speed in floating-point operations a second, memory in bytes, bandwidth in bytes a second."""

    name: str
    speed: float
    memory: float
    bandwidth: float


@dataclass(frozen=True)
class Group:
    """Devices that work as one side of a split: a single accelerator, or two groups of them.

    ``links`` is how many devices of a side may receive from the other at once; None: each one, over its own link.
    """

    accelerator: Accelerator | None = None
    sides: "tuple[Group, Group] | None" = None
    links: int | None = None

    def __post_init__(self) -> None:
        assert (self.accelerator is None) != (self.sides is None), "a group is one device or two groups"

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # a frozen dataclass would walk the whole tree each time
        return hash((self.accelerator, self.sides, self.links))

    @cached_property
    def devices(self) -> int:
        """How many devices there are."""
        return 1 if self.sides is None else sum(side.devices for side in self.sides)

    @cached_property
    def levels(self) -> int:
        """How many splits lie above the deepest device."""
        return 0 if self.sides is None else 1 + max(side.levels for side in self.sides)

    @cached_property
    def speed(self) -> float:
        """Operations a second, all devices together."""
        return self.accelerator.speed if self.accelerator else sum(side.speed for side in self.sides or ())

    @cached_property
    def memory(self) -> float:
        """Bytes of memory, all devices together."""
        return self.accelerator.memory if self.accelerator else sum(side.memory for side in self.sides or ())

    @cached_property
    def bandwidths(self) -> tuple[float, ...]:
        """Each device's bandwidth, greatest first."""
        if self.accelerator:
            return (self.accelerator.bandwidth,)
        found = [bandwidth for side in self.sides or () for bandwidth in side.bandwidths]
        return tuple(sorted(found, reverse=True))

    @cached_property
    def accelerators(self) -> dict[str, int]:
        """How many devices of each kind there are, by name."""
        if self.accelerator:
            return {self.accelerator.name: 1}
        counts: dict[str, int] = {}
        for side in self.sides or ():
            for name, count in side.accelerators.items():
                counts[name] = counts.get(name, 0) + count
        return counts

    @property
    def label(self) -> str:
        """The same in words: ``128 tpu-v2 + 128 tpu-v3``, or how many where the kinds are too many to name."""
        if len(self.accelerators) > NAMED:
            return f"{self.devices} devices of {len(self.accelerators)} kinds"
        return " + ".join(f"{count} {name}" for name, count in self.accelerators.items())

    def receiving(self, side: int) -> float:
        """Return the bytes a second that side 0 or 1 of this group's split receives."""
        assert self.sides is not None
        return sum(self.sides[side].bandwidths[: self.links])

    def leaves(self) -> Iterator[Accelerator]:
        """Yield the devices, one by one."""
        if self.accelerator:
            yield self.accelerator
        for side in self.sides or ():
            yield from side.leaves()


@dataclass(frozen=True)
class Array:
    """What a device file describes. ``bytes_per_number`` is how numbers are sent and kept."""

    name: str
    root: Group
    bytes_per_number: int = 2
    shares: tuple[float, float] | None = None
    """Shares of the first split's sides, where the file gives them; they add up to 1."""


def uniform(accelerator: Accelerator, count: int, links: int | None = None) -> Group:
    """Return ``count`` equal devices, halved again and again; an odd number leaves the first half one more."""
    if count < 1:
        raise UserError(f"{accelerator.name}: an array has at least one device, found {count}")
    if count == 1:
        return Group(accelerator)
    half = count // 2
    first = uniform(accelerator, count - half, links)
    return Group(None, (first, first if count % 2 == 0 else uniform(accelerator, half, links)), links)


def joined(groups: Sequence[Group], links: int | None = None) -> Group:
    """Return the groups as one, the list split in half again and again."""
    assert groups
    if len(groups) == 1:
        return groups[0]
    half = (len(groups) + 1) // 2
    return Group(None, (joined(groups[:half], links), joined(groups[half:], links)), links)
