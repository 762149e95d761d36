"""What a run consists of: where its files lie, which steps make them, in which jobs, with which resources.

Pure functions of the parameters. The rules of the Snakemake workflow import this; it knows neither Snakemake nor torch.
"""
