"""The undisturbed run is made once and shared; who changes a run copies it first."""

import pytest

from tests.functional.smoke_run import Folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """An undisturbed, finished run of the smoke preset, both tasks. Nobody changes it."""
    folder = Folder.new(tmp_path_factory.mktemp("runs") / "finished")
    done = folder.run()
    assert done.returncode == 0, done.stderr
    assert "Look at results-smoke/report/" in done.stderr
    return folder
