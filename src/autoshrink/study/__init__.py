"""Strategies compared over many seeds at equal cost, on finished searches or on a lookup table.

Never trains and never imports torch.
"""
