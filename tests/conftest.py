"""Set the tests' process to portable numerics, before anything imports numpy or torch; fix what fuzzing draws in CI."""

import os

from autoshrink.runtime import numerics

numerics.apply("portable")

from hypothesis import settings  # noqa: E402 - it may import numpy

# continuous integration judges a change, not the luck of a draw; by hand, every run fuzzes elsewhere
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")
