"""Rehearse the first step of the final training before the search, to report its errors early."""

from collections.abc import Collection

from autoshrink.cells.cell import Cell
from autoshrink.errors import ParameterError, UserError
from autoshrink.params import Parameters
from autoshrink.tasks import address, sufficiency
from autoshrink.tasks.spec import spec_of


def check(parameters: Parameters, names: Collection[str] | None = None) -> list[str]:
    """Build each task's final training of its prepared data and take one step; return a line per task that was tried.

    The cell is a complete one with every operator of the search. Data sets that are not prepared, or not among
    ``names``, are left out. Raises UserError, one line per training that cannot begin.
    """
    tried, wrong = [], []
    for task in parameters.tasks:
        spec = spec_of(task)
        recipe = spec.training(parameters)
        name = recipe.dataset
        if (names is not None and name not in names) or sufficiency.prepared_manifest(parameters, name) is None:
            continue
        cell = Cell.complete(list(dict.fromkeys(spec.search(parameters).operators)))
        try:
            spec.rehearse(cell, recipe, spec.load(address.folder(parameters, name)), parameters.seed)
        except UserError as error:
            wrong.append(str(error))
        except Exception as error:  # whatever a library makes of the recipe, the training would have met it
            why = " ".join(str(error).split()) or type(error).__name__
            wrong.append(f"training.{task}: the first step on data set {name!r} fails ({why[:300]}); change the recipe")
        else:
            tried.append(f"{task}: the final training takes its first step on {name}")
    if wrong:
        raise ParameterError("\n".join(wrong))
    return tried
