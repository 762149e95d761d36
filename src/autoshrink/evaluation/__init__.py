"""Judging candidates on the proxy: the content-addressed store of evaluations, and the engine that fills it."""
