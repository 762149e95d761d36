"""What the pipeline's files hold: one frozen type per kind of file, each with one reader and one writer.

A module per kind. Types do not know how their values are computed; code that computes, reads or shows one shares it.
"""
