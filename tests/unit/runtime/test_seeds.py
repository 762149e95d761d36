"""Named draws: fixed by root seed and name alone, independent of each other, uniform."""

import subprocess
import sys
from collections import Counter

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from autoshrink.runtime import seeds
from autoshrink.search.draws import Draws


def test_golden_draws() -> None:
    """Draws are promised for ever: these values stand in every artifact made so far."""
    assert seeds.derive(2020, "cnn/shrink-0/operators") == 8592651336474878306
    assert seeds.shuffled(2020, "order", "abcdef") == ["b", "d", "e", "c", "f", "a"]
    assert seeds.sample(2020, "order", "abcdef", 2) == ["b", "d"]
    assert seeds.choice(2020, "one", "abcdef") == "b"


@given(st.integers(0, 2**63 - 1), st.text())
def test_a_seed_fits_every_generator(root: int, name: str) -> None:
    """A derived seed has 63 bits, which NumPy and torch both take."""
    seed = seeds.derive(root, name)
    assert 0 <= seed < 2**63
    torch.Generator().manual_seed(seed)


@given(st.integers(0, 2**63 - 1), st.lists(st.integers()), st.integers(0, 30))
def test_shuffling_and_sampling_lose_and_invent_nothing(root: int, items: list[int], count: int) -> None:
    """A shuffle is a permutation, and a sample is the shuffle's beginning, at most as long as the items."""
    order = seeds.shuffled(root, "order", items)
    assert Counter(order) == Counter(items)
    assert seeds.sample(root, "order", items, count) == order[:count]


def test_draws_of_other_names_and_roots_differ() -> None:
    """Another name or another root seed gives another draw, also where name and root could be confused."""
    drawn = [seeds.derive(root, name) for root in (1, 11, 2020) for name in ("a", "b", "1/a", "a/1")]
    assert len(set(drawn)) == len(drawn)


def test_draws_are_uniform() -> None:
    """Over many names each item comes first, and is chosen, about equally often (six standard deviations)."""
    names = [f"draw-{number}" for number in range(6000)]
    for counts in (
        Counter(seeds.shuffled(7, name, range(6))[0] for name in names),
        Counter(seeds.choice(7, name, range(6)) for name in names),
    ):
        assert set(counts) == set(range(6))
        assert all(abs(count - 1000) < 6 * (6000 * 5 / 36) ** 0.5 for count in counts.values())


def test_generators_belong_to_their_name() -> None:
    """NumPy's and torch's streams depend on root and name, and never on draws made before or the global state."""
    first = seeds.numpy_generator(1, "a").random(3)
    seeds.numpy_generator(1, "b").random(100)
    np.random.seed(5)
    assert (seeds.numpy_generator(1, "a").random(3) == first).all()
    assert not (seeds.numpy_generator(2, "a").random(3) == first).any()
    tensor = torch.rand(3, generator=seeds.torch_generator(1, "a"))
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3, generator=seeds.torch_generator(1, "a")), tensor)


def test_another_process_draws_the_same() -> None:
    """Draws do not depend on the interpreter's hash seed."""
    code = "from autoshrink.runtime import seeds; print(seeds.shuffled(3, 'x', range(9)))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{seeds.shuffled(3, 'x', range(9))}\n"}


def test_a_search_draws_under_its_own_prefix() -> None:
    """Two searches of one run draw independently; one search draws what the root seed's draw of the full name is."""
    one, other = (Draws(2020, f"cnn/shrink-{name}", f"cnn/seed-{name}") for name in (0, 1))
    assert one.shuffled("x", range(20)) == seeds.shuffled(2020, "cnn/shrink-0/x", range(20))
    assert one.sample("x", range(20), 20) != other.sample("x", range(20), 20)
    assert one.choice("x", range(20)) == seeds.choice(2020, "cnn/shrink-0/x", range(20))
