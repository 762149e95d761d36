from pathlib import Path

import pytest

from autoshrink.params import Parameters
from autoshrink.report import runs
from autoshrink.report.runs import Search
from tests.unit.report import made_run


@pytest.fixture(scope="session")
def small() -> Parameters:
    """Parameters of two searches per task, of a few rounds each."""
    section = {"nodes": 4, "k": 3}
    return made_run.parameters(seeds=[0, 1], cnn=section, rnn=section)


@pytest.fixture(scope="session")
def small_run(small: Parameters, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a made run under ``small``."""
    folder = tmp_path_factory.mktemp("small") / "results"
    made_run.run(folder, small)
    return folder


@pytest.fixture(scope="session")
def small_searches(small_run: Path) -> list[Search]:
    """Its searches, read back."""
    return runs.read_all(small_run)


@pytest.fixture(scope="session")
def paper() -> Parameters:
    """Parameters of the paper's 28 and 11 rounds of up to 10 candidates."""
    return made_run.parameters(**made_run.PAPER)


@pytest.fixture(scope="session")
def paper_run(paper: Parameters, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a made run at the paper's size."""
    folder = tmp_path_factory.mktemp("paper") / "results"
    made_run.run(folder, paper)
    return folder
