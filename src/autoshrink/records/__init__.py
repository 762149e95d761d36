"""What the pipeline's files hold: one frozen type per kind of file, each with one reader and one writer.

A module per kind. Types know nothing of how their values are computed; whoever computes, reads or shows one shares it.
"""
