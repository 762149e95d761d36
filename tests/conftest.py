"""Set the tests' process to portable numerics, before anything imports numpy or torch; fix what fuzzing draws in CI."""

import os

from autoshrink.runtime import numerics

numerics.apply("portable")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402 - it may import numpy

# continuous integration judges a change, not the luck of a draw; by hand, every run fuzzes elsewhere
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, by name, what only a GPU can show where the tests do not compute on one."""
    if os.environ.get("AUTOSHRINK_TEST_DEVICE") == "cuda":
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA GPU and AUTOSHRINK_TEST_DEVICE=cuda (make test-gpu)"))
