"""Set the tests' process to portable numerics, before anything imports numpy or torch."""

from autoshrink.runtime import numerics

numerics.apply("portable")
