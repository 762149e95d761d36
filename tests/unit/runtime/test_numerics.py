import os
import platform
import subprocess
import sys

import pytest

from autoshrink.runtime import numerics

PORTABLE = pytest.mark.skipif(numerics.effective("portable") != "portable", reason="needs an x86-64 CPU with AVX2")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a test sets, and forget what it learnt of a machine that is not there."""
    for name in numerics.VARIABLES:
        monkeypatch.setenv(name, os.environ.get(name, ""))
    numerics.effective.cache_clear()


@PORTABLE
def test_portable_pins_every_library() -> None:
    """A process set to portable computes with AVX2 kernels, whatever its CPU has."""
    code = (
        "from autoshrink.runtime import numerics; numerics.apply('portable');"
        "import threadpoolctl, torch;"
        "print(torch.backends.cpu.get_cpu_capability(),"
        " *{pool['architecture'] for pool in threadpoolctl.threadpool_info() if pool['internal_api'] == 'openblas'})"
    )
    environment = {name: value for name, value in os.environ.items() if name not in numerics.VARIABLES}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["AVX2", "Haswell"]


def test_native_takes_back_what_portable_set() -> None:
    """A process set to native leaves every library its own choice, and a user's variables alone."""
    os.environ["MKL_CBWR"] = "AVX512"
    numerics.apply("native")
    assert os.environ["MKL_CBWR"] == "AVX512"
    numerics.apply("portable")
    numerics.apply("native")
    assert not numerics.VARIABLES.items() & os.environ.items()


def test_a_machine_that_cannot_be_portable_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """On another architecture the mode is native, in the record too, and one line tells."""
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert numerics.apply("portable") == "native"
    numerics.effective.cache_clear()
    assert "compute.numerics = 'portable': needs an x86-64 CPU, and this one is arm64" in caplog.text


def test_the_cpu_has_a_name() -> None:
    """A record of timings can say what it was measured on."""
    assert numerics.cpu().strip()
