"""Whether prepared data is large enough for the recipes that name it, told before anything is trained on it."""

from pathlib import Path

from autoshrink.errors import ArtifactError, DataError
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.tasks.spec import spec_of


def check(parameters: Parameters) -> None:
    """Compare both recipes of each task with the manifests of those of their data sets that are prepared.

    A manifest that cannot be read is left to who reads the data; one of other settings is about to be made anew.
    Raises DataError, one line per mistake.
    """
    wrong: list[str] = []
    for name in parameters.used_datasets:
        try:
            manifest = artifacts.read_sealed(Path(parameters.paths.data) / name / "manifest.json", "dataset", 1)
        except ArtifactError:
            continue
        if manifest["settings"] != parameters.datasets[name].model_dump(mode="json"):
            continue
        for task in parameters.tasks:
            if manifest["task"] == task:
                wrong += spec_of(task).shortages(parameters, name, manifest)
    if wrong:
        raise DataError("\n".join(wrong))
