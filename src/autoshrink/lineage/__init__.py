"""Provenance: a record beside each artifact, and the tools to query, verify, repair and export a run.

Knows nothing of how anything is computed; imports no torch.
"""
