import pytest
import torch

from autoshrink.errors import UserError
from autoshrink.params.root import Compute
from autoshrink.runtime import devices


def test_threads_are_set_where_the_device_is_picked() -> None:
    """One place decides how many CPU threads a job computes with."""
    before = torch.get_num_threads()
    try:
        assert devices.pick(Compute(device="cpu", threads=2)) == torch.device("cpu")
        assert torch.get_num_threads() == 2
        devices.pick(Compute(device="cpu"))
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_asked_for_and_absent_is_told() -> None:
    """auto falls back to the CPU; cuda does not pretend."""
    assert devices.pick(Compute(device="auto")) == torch.device("cpu")
    with pytest.raises(UserError, match=r"compute.device = 'cuda'"):
        devices.pick(Compute(device="cuda"))
