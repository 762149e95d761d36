"""Check that prepared data is large enough for the recipes that use it, before any training."""

from autoshrink.errors import ArtifactError, DataError
from autoshrink.params import Parameters
from autoshrink.records.manifest import Manifest
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of


def check(parameters: Parameters) -> None:
    """Compare both recipes of each task with their data sets, and with the manifests of those that are prepared.

    Raises DataError, one line per mistake.
    """
    wrong = [line for task in parameters.tasks for line in spec_of(task).contradictions(parameters)]
    for task in parameters.tasks:
        spec = spec_of(task)
        finalists = spec.search(parameters).finalists
        if finalists is not None and finalists.recipe == "final" and not spec.holds_out(spec.training(parameters)):
            wrong.append(
                f"search.{task}.finalists.recipe = 'final': training.{task} holds no training data out to judge by, "
                "and the test split stays closed; accepted: proxy, or a final recipe with validation data"
            )
    for name in parameters.used_datasets:
        manifest = prepared_manifest(parameters, name)
        if manifest is None:
            continue
        for task in parameters.tasks:
            if manifest.task == task:
                wrong += spec_of(task).shortages(parameters, name, manifest)
    if wrong:
        raise DataError("\n".join(wrong))


def prepared_manifest(parameters: Parameters, name: str) -> Manifest | None:
    """Return the manifest of the data set ``name``, or None where it is not prepared as the parameters say.

    A manifest that cannot be read is left to who reads the data.
    """
    try:
        manifest = spec_of(parameters.datasets[name].task).manifest.read(address.manifest(parameters, name))
    except ArtifactError:
        return None
    return manifest if manifest.settings == parameters.datasets[name].model_dump(mode="json") else None
