"""Fixtures: two small trained models."""

from tests.unit.inference.trained_run import run

__all__ = ["run"]
