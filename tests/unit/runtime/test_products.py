import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.runtime import products

SIZES = st.integers(1, 9)


def matrix(rows: int, columns: int, transposed: bool, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (columns, rows) if transposed else (rows, columns)
    found = torch.randn(shape, generator=generator, dtype=torch.float64)
    return found.t() if transposed else found


@settings(deadline=None)
@given(SIZES, SIZES, SIZES, st.booleans(), st.booleans())
def test_products_are_torchs(m: int, k: int, n: int, left: bool, right: bool) -> None:
    """Any shape, and transposed views, give what torch gives."""
    a, b = matrix(m, k, left, 1), matrix(k, n, right, 2)
    torch.testing.assert_close(products.product(a, b), a @ b)


def test_linear_has_the_right_gradients() -> None:
    """Gradients by input and by weight agree with finite differences."""
    x, weight = matrix(4, 3, False, 3).requires_grad_(), matrix(5, 3, False, 4).requires_grad_()
    assert torch.autograd.gradcheck(products.linear, (x, weight))


def test_a_diverged_product_warns_of_nothing() -> None:
    """Overflow gives infinity without a warning, as torch's products do (warnings are errors here)."""
    huge = torch.full((2, 2), 3e38)
    assert products.product(huge, huge).isinf().all()
