"""Files as values: sealed JSON, digests, atomic writes, checkpoints and model files. Knows nothing of their content."""
