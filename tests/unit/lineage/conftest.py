from pathlib import Path

import pytest

from tests.unit.lineage import made


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made run's folder; never to be changed."""
    folder = tmp_path_factory.mktemp("lineage") / "pristine"
    made.run(folder)
    return folder
