"""Evaluation of candidates on the proxy: the content-addressed store, and the engine that fills it."""
