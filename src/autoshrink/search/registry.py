"""Strategies by kind, and those registered by other packages.

A package adds one with an entry point of the group ``autoshrink.strategies`` that names a callable
``(search, operators, options) -> Strategy``, where ``options`` is the mapping given in the parameters.
"""

import importlib
from collections.abc import Sequence
from importlib.metadata import entry_points

from autoshrink.errors import UserError
from autoshrink.params.search import TaskSearch
from autoshrink.params.strategies import AnyStrategy, OutsideStrategy
from autoshrink.search.space import Alternatives, Dag, Family
from autoshrink.search.strategy import Strategy

GROUP = "autoshrink.strategies"

_KINDS = {
    "shrink": ("autoshrink.search.shrink", "Shrink"),
    "halving": ("autoshrink.search.staged", "Staged"),
    "prerank": ("autoshrink.search.staged", "Staged"),
    "random": ("autoshrink.search.random", "Random"),
    "evolution": ("autoshrink.search.evolution", "Evolution"),
    "local": ("autoshrink.search.local", "Local"),
    "grow": ("autoshrink.search.grow", "Grow"),
    "firefly": ("autoshrink.search.firefly", "Firefly"),
    "metagraph": ("autoshrink.search.metagraph", "MetaGraph"),
    "progressive": ("autoshrink.search.progressive", "Progressive"),
}


_ONE_CELL = ("firefly", "outside")
"""Search one cell for all stages, over operators."""
_CELLS_ALONE = ("grow", *_ONE_CELL)
"""Know no table's own space."""


def family(search: TaskSearch, operators: Sequence[str], options: AnyStrategy, stages: int = 1) -> Family:
    """Return the cells that a strategy searches, one for each of the ``stages``."""
    if _searches_operators(options):
        return Alternatives(search.nodes - 1, tuple(dict.fromkeys(operators)))
    return Dag(search, operators, stages)


def _searches_operators(options: AnyStrategy) -> bool:
    return getattr(options, "space", "topology") == "topology_and_operators"


def make(
    search: TaskSearch, operators: Sequence[str], options: AnyStrategy, space: Family | None = None, stages: int = 1
) -> Strategy:
    """Return the strategy that ``options`` describe, over cells of ``operators``, one for each of the ``stages``, or
    over a table's own ``space``.

    Raises UserError when no installed package offers it, or when it knows cells alone and is asked for another space.
    """
    if options.kind in _CELLS_ALONE and space is not None:
        accepted = ", ".join(kind for kind in _KINDS if kind not in _CELLS_ALONE)
        raise UserError(
            f"search.strategies: a strategy of the kind {options.kind} searches cells, not a table's own space; "
            f"accepted kinds: {accepted}; or --space cells"
        )
    if isinstance(options, OutsideStrategy):
        offered = {entry.name: entry for entry in entry_points(group=GROUP)}
        if options.entry_point not in offered:
            installed = ", ".join(sorted(offered)) or "none is"
            raise UserError(
                f"search.strategies: no installed package offers the strategy {options.entry_point!r} under the entry "
                f"point group {GROUP}; installed: {installed}"
            )
        made: Strategy = offered[options.entry_point].load()(search, operators, options.options)
        return made
    module, name = _KINDS[options.kind]
    if space is not None and _searches_operators(options):
        raise UserError(
            "search.strategies: a strategy in the space topology_and_operators searches cells, not a table's own "
            "space; accepted: space: topology; or --space cells"
        )
    over = operators if options.kind in _ONE_CELL else space or family(search, operators, options, stages)
    built: Strategy = getattr(importlib.import_module(module), name)(search, over, options)
    return built
