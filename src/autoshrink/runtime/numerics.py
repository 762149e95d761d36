"""Portable numerics: one set of CPU kernels, so that different x86-64 CPUs compute the same bits.

Libraries choose kernels by the CPU's instruction set, kernels add up in different orders, and a search magnifies the
last bit into another cell. Portable mode pins every library to its AVX2 kernels, and MKL, which offers AMD's and
Intel's CPUs the same bits in its compatible mode only, to that mode; hot matrix products go to OpenBLAS instead
(``runtime.products``), whose AVX2 kernels are equal everywhere and as fast. Torch-free.
"""

import functools
import logging
import os
import platform
import sys
from pathlib import Path
from typing import Literal

Mode = Literal["portable", "native"]

# Each library reads its variable once, when it is loaded or first used: numpy's OpenBLAS on import.
VARIABLES = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_CORETYPE": "Haswell",
}

log = logging.getLogger(__name__)


def apply(wanted: Mode) -> Mode:
    """Set this process, and those it starts, to the mode; call it before numpy or torch is imported.

    Returns the mode that holds from now on: ``native``, with a warning, where this machine cannot be portable.
    """
    mode = effective(wanted)
    for name, value in VARIABLES.items():
        if mode == "portable":
            os.environ[name] = value
        elif os.environ.get(name) == value:
            del os.environ[name]
    return mode


@functools.cache
def effective(wanted: Mode) -> Mode:
    """Return the mode that this machine can keep: part of an evaluation's identity and of every record."""
    if wanted == "portable" and (reason := _hindrance()):
        log.warning(
            "compute.numerics = 'portable': %s; computing natively: another kind of CPU may give other results", reason
        )
        return "native"
    return wanted


def cpu() -> str:
    """Return the CPU's kind in words, such as the model name that Linux gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _hindrance() -> str | None:
    """Return why this machine cannot be portable, None where it can."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return f"needs an x86-64 CPU, and this one is {platform.machine()}"
    if sys.platform == "linux":
        flags = next((line.split() for line in Path("/proc/cpuinfo").read_text().splitlines() if "flags" in line), [])
        if not {"avx2", "fma"} <= set(flags):
            return "needs a CPU with AVX2 and FMA"
    return None
