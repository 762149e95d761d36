"""Costs of a network: parameters, multiply-accumulates, activation memory and latency."""

from autoshrink.costs.counting import measure, measure_parts

__all__ = ["measure", "measure_parts"]
