"""The plan of a run: layout of its files, steps, jobs and resources.

Pure functions of the parameters. The rules of the Snakemake workflow import this; it knows neither Snakemake nor torch.
"""
