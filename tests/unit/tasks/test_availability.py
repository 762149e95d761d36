"""A missing file of pre-trained vectors is told before anything runs, and only who names one reads it."""

from pathlib import Path

import pytest

from autoshrink import params
from autoshrink.errors import DataError
from autoshrink.params.base import Task
from autoshrink.tasks import address, availability

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


@pytest.mark.parametrize("inside", ["", "class"])
def test_raw_data_where_prepared_data_goes_is_refused(inside: str, tmp_path: Path) -> None:
    """Raw data in, around or above the folder of its prepared form is refused by `check` in one line."""
    entry = ["datasets.photos={source: imagefolder, folder: raw}", "proxy.cnn.dataset=photos", f"paths.data={tmp_path}"]
    chosen = params.load([ROOT / "params.default.yaml"], entry)
    photos = address.folder(chosen, "photos")
    # its address depends on the folder's name, so the folder is moved to where the address leads
    for raw in (photos / inside, photos.parent):
        data = chosen.datasets["photos"].model_copy(update={"folder": str(raw)})
        moved = chosen.model_copy(update={"datasets": {**chosen.datasets, "photos": data}})
        home = address.folder(moved, "photos")
        raw.mkdir(parents=True, exist_ok=True)
        if raw != photos.parent:
            home.symlink_to(photos)
        with pytest.raises(DataError, match=r"^datasets\.photos\.folder = .*: overlaps the prepared data set") as told:
            availability.check_apart(moved)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("place", ["results", "results/raw", "store/raw"])
def test_raw_data_where_results_go_is_refused(place: str, tmp_path: Path) -> None:
    """The same of the folders that a run writes to."""
    entry = [f"datasets.photos={{source: imagefolder, folder: {tmp_path / place}}}", "proxy.cnn.dataset=photos"]
    paths = [f"paths.results={tmp_path / 'results'}", f"paths.store={tmp_path / 'store'}"]
    with pytest.raises(DataError, match=r"overlaps paths\.(results|store)"):
        availability.check_apart(params.load([ROOT / "params.default.yaml"], [*entry, *paths]))
