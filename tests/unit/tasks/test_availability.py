"""A missing file of pre-trained vectors is told before anything runs, and only who names one reads it."""

from pathlib import Path

import pytest

from autoshrink import params
from autoshrink.errors import DataError
from autoshrink.params.base import Task
from autoshrink.tasks import availability

ROOT = Path(__file__).parents[3]


def with_file(path: Path) -> params.Parameters:
    return params.load([ROOT / "params.default.yaml"], [f"proxy.rnn.network.embedding_file={path}"])


def test_missing_vectors_are_told_beforehand(tmp_path: Path) -> None:
    """A file of vectors that is not there stops the run in one line that names the key."""
    with pytest.raises(DataError, match=r"^proxy\.rnn\.network\.embedding_file = .*no such file.*or null$"):
        availability.check(with_file(tmp_path / "vectors.txt"))


def test_only_the_recipe_that_names_vectors_reads_them(tmp_path: Path) -> None:
    """The file is the named section's and task's input, and nobody else's."""
    path = tmp_path / "vectors.txt"
    path.write_text("the 0.1 0.2\n")
    parameters = with_file(path)
    assert availability.side_inputs(parameters, "proxy", Task.RNN) == [path]
    assert availability.side_inputs(parameters, "training", Task.RNN) == []
    assert availability.side_inputs(parameters, "proxy", Task.CNN) == []
