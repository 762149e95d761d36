"""Check that the processes of the final trainings can share their batches, before any training."""

from autoshrink.errors import ParameterError
from autoshrink.params import Parameters
from autoshrink.params.sharing import batch_mistake, count_mistake
from autoshrink.tasks.spec import spec_of


def check(parameters: Parameters, processes: int) -> None:
    """Compare each final training's shares and batch with the number of its processes.

    Raises ParameterError, one line per mistake.
    """
    wrong = []
    for task in parameters.tasks:
        recipe = spec_of(task).training(parameters)
        section = f"training.{task}"
        if recipe.shared_batch is None:
            continue
        batch, unit = recipe.shared_batch
        line = count_mistake(section, recipe.shares, processes)
        if line is None:
            is_equal = recipe.shares is None or processes == 1
            line = batch_mistake(section, batch, unit, processes, equal=is_equal)
        if line is not None:
            wrong.append(line)
    if wrong:
        raise ParameterError("\n".join(wrong))
