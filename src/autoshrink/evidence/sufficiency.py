"""Whether a verdict can be had at all, told before anything is trained."""

import math
from collections.abc import Collection

from autoshrink.errors import DataError, ParameterError, UserError
from autoshrink.evidence import references
from autoshrink.params import Parameters
from autoshrink.tasks import address
from autoshrink.tasks.spec import AnyTask, spec_of
from autoshrink.tasks.sufficiency import prepared_manifest


def check(parameters: Parameters, names: Collection[str] | None = None) -> None:
    """Make sure that users' own references are there, and that prepared test splits can show a difference.

    Raises UserError, one line per mistake. Data sets that are not prepared, or not among ``names``, are left out.
    """
    wrong = list(_wrong(parameters, names))
    if wrong:
        raise ParameterError("\n".join(wrong))


def rehearse(parameters: Parameters, names: Collection[str] | None = None) -> list[str]:
    """Scale each reference to the complete cell's network for the prepared data; return a line for each that was.

    Raises UserError, one line per reference that cannot be built, or scaled so far.
    """
    told, wrong = [], []
    for task in parameters.tasks:
        spec = spec_of(task)
        recipe = spec.training(parameters)
        is_prepared = prepared_manifest(parameters, recipe.dataset) is not None
        if not spec.references(parameters).networks or not is_prepared:
            continue
        if names is None or recipe.dataset in names:
            example = spec.example(spec.load(address.folder(parameters, recipe.dataset)), recipe)
            try:
                told += references.rehearse(parameters, task, example, recipe)
            except UserError as error:
                wrong.append(str(error))
    if wrong:
        raise ParameterError("\n".join(wrong))
    return told


def _wrong(parameters: Parameters, names: Collection[str] | None) -> list[str]:
    found = []
    try:
        references.check(parameters)
    except ParameterError as error:
        found.append(str(error))
    for task in parameters.tasks:
        spec = spec_of(task)
        name = spec.training(parameters).dataset
        manifest = prepared_manifest(parameters, name)
        if manifest is None or parameters.evidence.seeds > 1 or (names is not None and name not in names):
            continue
        count, confidence = len(spec.references(parameters).networks), parameters.evidence.confidence
        try:
            require_examples(spec, spec.test_examples(manifest), count, confidence, f"data set {name!r}")
        except DataError as error:
            found.append(str(error))
    return found


def require_examples(spec: AnyTask, examples: int, references: int, confidence: float, where: str) -> None:
    """Raise DataError where so few test examples cannot show a difference, not even if all of them differed.

    The smallest p-value of a paired test over n pairs that all favour one side is 2 / 2^n; Holm's correction multiplies
    it by the number of references.
    """
    if not references:
        return
    pairs = math.ceil(math.log2(2 * references / (1 - confidence)))
    needed = pairs * spec.observation
    if examples < needed:
        raise DataError(
            f"{where}: the test split has {examples:,} {spec.unit}s, too few for a difference from {references} "
            f"references to be seen at confidence {confidence:g}; it takes at least {needed:,}, or evidence.seeds "
            "above 1, or no references"
        )
