import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from autoshrink.tasks.language import decoding


@settings(deadline=None)
@given(st.integers(1, 7), st.integers(1, 5), st.integers(1, 9), st.integers(1, 40))
def test_it_is_the_decoders_cross_entropy(count: int, width: int, vocabulary: int, held: int) -> None:
    """However few logits are held at a time, loss and gradients are those of the plain formula."""
    generator = torch.Generator().manual_seed(count * 1000 + width * 100 + vocabulary)
    shapes = [(count, width), (vocabulary, width), (vocabulary,)]
    plain = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    sliced = [tensor.detach().clone().requires_grad_() for tensor in plain]
    targets = torch.randint(vocabulary, (count,), generator=generator)
    expected = functional.cross_entropy(plain[0] @ plain[1].t() + plain[2], targets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "SLICE", held)
        found = decoding.cross_entropy(sliced[0], sliced[1], sliced[2], targets)
    torch.testing.assert_close(found, expected)
    (3 * expected).backward()
    (3 * found).backward()  # type: ignore[no-untyped-call]
    for one, other in zip(sliced, plain, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_without_gradients_none_are_kept() -> None:
    """Validation computes the loss alone."""
    weight = torch.randn(6, 3).requires_grad_()
    with torch.no_grad():
        loss = decoding.cross_entropy(torch.randn(4, 3), weight, torch.zeros(6), torch.tensor([0, 1, 2, 3]))
    assert not loss.requires_grad
