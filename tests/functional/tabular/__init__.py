"""A third task, classification of tables, as one writes it: a package, and one line in ``params.base.Task``."""
