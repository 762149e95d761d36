"""The topology search as pure functions of cells and evaluations: propose, score, select, stop.

Knows nothing of torch, of files' places or of Snakemake.
"""
