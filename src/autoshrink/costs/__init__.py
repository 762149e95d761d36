"""What a network costs: parameters and multiply-accumulates, counted the same way for every network."""

from autoshrink.costs.counting import measure, measure_parts

__all__ = ["measure", "measure_parts"]
