"""Sealed JSON, digests, atomic writes and checkpoints, whatever the files hold."""
