import pytest

from autoshrink.cells import released
from autoshrink.errors import UserError
from autoshrink.params.base import Task


def test_the_paper_s_three_cells_are_there() -> None:
    """Two image cells that differ in their activation only, and one recurrent cell."""
    assert released.names() == ("shrinkcnn-a", "shrinkcnn-b", "shrinkrnn")
    a, b, rnn = (released.load(name) for name in released.names())
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
    for name in released.names():
        assert released.load(name).cell.is_pruned
        assert "AAAI 2020" in released.load(name).source


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    """A typing error gets the list."""
    with pytest.raises(UserError, match=r"'shrinkcnn-c'.*accepted: shrinkcnn-a, shrinkcnn-b, shrinkrnn"):
        released.load("shrinkcnn-c")
