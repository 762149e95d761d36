"""Comparing strategies over many seeds at the same cost, from finished searches or by looking evaluations up in a
table.

Never trains and never imports torch.
"""
