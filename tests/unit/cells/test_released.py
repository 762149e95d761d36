import pytest

from autoshrink.cells import released
from autoshrink.errors import UserError
from autoshrink.params.base import Task


def test_the_paper_s_three_cells_are_there() -> None:
    """Two image cells that differ in their activation only, and one recurrent cell; and SwiftNet's network."""
    assert released.names() == ("shrinkcnn-a", "shrinkcnn-b", "shrinkrnn", "swiftnet")
    a, b, rnn = (released.load(name) for name in released.names()[:3])
    assert a.cell == b.cell
    assert a.cell.edges == ((0, 1), (0, 2), (0, 3), (0, 4), (1, 3), (2, 4))
    assert a.cell.leaves == (3, 4)
    assert a.network.model_copy(update={"activation": "silu"}) == b.network
    assert (a.published["accuracy_top1"], b.published["accuracy_top1"]) == (0.739, 0.751)
    assert rnn.task is Task.RNN
    assert rnn.cell.leaves == (4, 5)
    assert rnn.published["perplexity_test"] == 56.5


def test_every_released_cell_is_already_pruned_and_published() -> None:
    """Nothing in them hangs loose, and each says where it is from."""
    assert all(cell.is_pruned for cell in released.cells().values())
    for name in released.names():
        assert ("arXiv:1906.08305" if name == "swiftnet" else "AAAI 2020") in released.load(name).source


def test_swiftnet_has_a_cell_per_stage() -> None:
    """Each under its own name; the leaves are those of the released graph."""
    found = released.load("swiftnet")
    assert found.cell_names == ("swiftnet-a", "swiftnet-b", "swiftnet-c")
    leaves = [released.cells()[name].leaves for name in found.cell_names]
    assert leaves == [(25, 26, 27, 28, 29), (20, 21, 22, 25, 27, 29), (20, 21, 22, 23, 24, 25, 27, 29)]
    assert found.cell.stages == found.cells


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    """A typing error gets the list."""
    with pytest.raises(UserError, match=r"'shrinkcnn-c'.*accepted: shrinkcnn-a, shrinkcnn-b, shrinkrnn"):
        released.load("shrinkcnn-c")
