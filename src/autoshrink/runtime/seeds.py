"""Random draws by name: each derives from the root seed and its name, never from stream order.

A name is a path such as ``cnn/shrink-0/operators``. Two draws with different names are independent; adding, removing or
re-ordering draws elsewhere changes none of them.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

Item = TypeVar("Item")


def derive(root: int, name: str) -> int:
    """Return the 63-bit seed of the draw called ``name`` under the root seed ``root``.

    63 bits because torch's generators and NumPy's both take them without loss.
    """
    digest = hashlib.sha256(f"{root}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def shuffled(root: int, name: str, items: Iterable[Item]) -> list[Item]:
    """Return ``items`` in a uniformly random order fixed by ``root``, ``name`` and each item's position.

    Each position gets its own named draw, so the order depends on no generator's algorithm and no library's version.
    """
    indexed = list(enumerate(items))
    indexed.sort(key=lambda pair: hashlib.sha256(f"{root}/{name}/{pair[0]}".encode()).digest())
    return [item for _, item in indexed]


def sample(root: int, name: str, items: Sequence[Item], count: int) -> list[Item]:
    """Return ``min(count, len(items))`` of ``items``, drawn uniformly without replacement, in drawn order."""
    return shuffled(root, name, items)[:count]


def choice(root: int, name: str, items: Sequence[Item]) -> Item:
    """Return one of ``items``, drawn uniformly."""
    assert items, f"nothing to draw {name} from"
    return items[derive(root, name) % len(items)]


def numpy_generator(root: int, name: str) -> "np.random.Generator":
    """Return a NumPy generator whose whole stream belongs to the draw called ``name``."""
    import numpy as np

    return np.random.Generator(np.random.PCG64(derive(root, name)))


def torch_generator(root: int, name: str, device: "torch.device | str" = "cpu") -> "torch.Generator":
    """Return a torch generator of ``device`` whose whole stream belongs to the draw called ``name``.

    Each kind of device draws other numbers from one seed.
    """
    import torch

    return torch.Generator(device).manual_seed(derive(root, name))
