import os
from pathlib import Path
from typing import Any

import pytest
import torch

from autoshrink.errors import UserError
from autoshrink.params.root import Compute
from autoshrink.runtime import devices, gpus


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what makes this a machine with so many GPUs in sight and in CUDA's count."""
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_MAX_CONNECTIONS", "CUBLAS_WORKSPACE_CONFIG"):
        monkeypatch.setenv(name, "for undoing")
        monkeypatch.delenv(name)
    chosen: list[torch.device] = []

    def make(files: list[str], count: int) -> list[torch.device]:
        monkeypatch.setattr(gpus, "files", lambda: files)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
        return chosen

    layout = devices._image_layout
    tf32, deterministic = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    algorithms, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    yield make
    devices._image_layout = layout
    torch.use_deterministic_algorithms(algorithms, warn_only=warns)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = deterministic
    devices.allow_tf32(tf32)


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


def test_cuda_asked_for_and_absent_is_told(machine: Any) -> None:
    """auto takes the CPU of a machine without a GPU; cuda does not pretend."""
    machine([], 0)
    assert devices.pick(Compute(device="auto")) == torch.device("cpu")
    with pytest.raises(UserError, match=r"compute.device = 'cuda': this machine has no usable CUDA device"):
        devices.pick(Compute(device="cuda"))


@pytest.mark.parametrize("asked", ["auto", "cuda"])
def test_a_gpu_that_torch_cannot_use_is_told(asked: Any, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No training falls back to the CPU without a word because a number, a driver or a build does not fit."""
    machine(["/dev/nvidia3"], 0)
    with pytest.raises(UserError, match=rf"'{asked}': /dev/nvidia3 is in sight, but torch .* \(.+\); .*device=cpu"):
        devices.pick(Compute(device=asked))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(UserError, match="CUDA_VISIBLE_DEVICES=3 may name none"):
        devices.pick(Compute(device=asked))


@pytest.mark.parametrize("hidden", ["", "-1", "-1,0"])
def test_a_hidden_gpu_is_none(hidden: str, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hides the GPUs gets the CPU; asking for the CPU asks for nothing else."""
    machine(["/dev/nvidia0"], 0)
    assert devices.pick(Compute(device="cpu")) == torch.device("cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert devices.pick(Compute(device="auto")) == torch.device("cpu")


def test_each_process_has_a_gpu_of_its_own(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The local rank is the device; one process too many is told in one line."""
    chosen = machine(["/dev/nvidia0", "/dev/nvidia1"], 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert devices.pick(Compute()) == torch.device("cuda", 1) == chosen[0]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match=r"process 3 of this machine has no GPU, for only 2.*--nproc-per-node=2"):
        devices.pick(Compute())


def test_cuda_is_told_all_before_it_starts(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many hardware queues as lanes; a user's own number stays."""
    machine(["/dev/nvidia0"], 1)
    seen = []

    def available() -> bool:
        seen.append(os.environ["CUDA_DEVICE_MAX_CONNECTIONS"])
        return True

    monkeypatch.setattr(torch.cuda, "is_available", available)
    devices.pick(Compute())
    monkeypatch.setenv("CUDA_DEVICE_MAX_CONNECTIONS", "8")
    devices.pick(Compute())
    assert seen == ["32", "8"]


def test_single_precision_is_single_precision(machine: Any) -> None:
    """TF32 only inside a block that allows it: float32 means float32."""
    machine(["/dev/nvidia0"], 1)
    device = devices.pick(Compute())

    def allowed() -> tuple[bool, bool]:
        return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    assert allowed() == (False, False)
    with devices.kernels(device, deterministic=True, tf32=True):
        assert allowed() == (True, True) and torch.backends.cudnn.deterministic
    assert allowed() == (False, False)


def test_images_lie_as_asked_for(machine: Any) -> None:
    """A CPU always takes channels-last; CUDA what compute.channels_last says."""
    machine(["/dev/nvidia0"], 1)
    for last, layout in ((False, torch.contiguous_format), (True, torch.channels_last)):
        device = devices.pick(Compute(channels_last=last))
        assert devices.image_layout(device) == layout
        assert devices.image_layout(torch.device("cpu")) == torch.channels_last


def test_gpus_in_sight_are_device_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither nvidiactl nor nvidia-uvm is a GPU."""
    names = ["nvidia3", "nvidia10", "nvidiactl", "nvidia-uvm"]

    def glob(folder: Path, pattern: str) -> list[Path]:
        return [folder / name for name in names if Path(name).match(pattern)]

    monkeypatch.setattr(Path, "glob", glob)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus.files() == gpus.in_sight() == ["/dev/nvidia10", "/dev/nvidia3"] and gpus.count() == 2
