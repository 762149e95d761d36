"""A finished search as one file: put back, it is the search that it was."""

import shutil
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.lineage import graph, records
from autoshrink.lineage.pack import pack, unpack
from autoshrink.lineage.verify import verify
from tests.unit.lineage import made

BEST = made.SEARCH / "best.json"


@pytest.fixture
def folder(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the made run, which is also the working folder."""
    shutil.copytree(pristine, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


def test_unpacked_search_is_as_it_was(folder: Path) -> None:
    """With rounds and store gone, unpacking brings every byte back, and the run verifies."""
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    pack(graph.read(Path("results")), BEST, Path("search.zip"))
    for number in range(3):
        shutil.rmtree(made.SEARCH / f"round-{number:02d}")
    shutil.rmtree("store")
    assert unpack(Path("search.zip")) > 10
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before
    assert verify(graph.read(Path("results"))).findings == ()
    assert unpack(Path("search.zip")) == 0


def test_only_a_pack_is_overwritten_by_a_pack(folder: Path) -> None:
    """A user's file at ``--out``, another zip too, is one line and stays; packing again into a pack is no mistake."""
    run = graph.read(Path("results"))
    for _ in range(2):
        pack(run, BEST, Path("search.zip"))
    Path("mine.txt").write_text("mine")
    with zipfile.ZipFile("photos.zip", "w") as archive:
        archive.writestr("photo.jpg", "mine")
    for name in ("mine.txt", "photos.zip"):
        before = Path(name).read_bytes()
        with pytest.raises(UserError, match=f"--out {name}: is there already and is no pack"):
            pack(run, BEST, Path(name))
        assert Path(name).read_bytes() == before


def test_links_in_a_circle_are_one_line(folder: Path) -> None:
    """Where a folder of the pack's is a link to itself, nothing is written and a line says so."""
    pack(graph.read(Path("results")), BEST, Path("search.zip"))
    shutil.rmtree("store")
    Path("store").symlink_to("store")
    with pytest.raises(UserError, match="leads through symbolic links in a circle") as caught:
        unpack(Path("search.zip"))
    assert "\n" not in str(caught.value)


def test_pack_is_a_function_of_its_files(folder: Path) -> None:
    """Packing twice gives the same bytes, whatever the files' times."""
    run = graph.read(Path("results"))
    pack(run, BEST, Path("a.zip"))
    (made.SEARCH / "round-01/round.json").touch()
    pack(run, BEST, Path("b.zip"))
    assert Path("a.zip").read_bytes() == Path("b.zip").read_bytes()


def test_stale_rounds_are_not_packed(folder: Path) -> None:
    """A round left by an earlier, longer search is not in the pack."""
    stale = made.SEARCH / "round-09/proposal.json"
    stale.parent.mkdir()
    shutil.copy(made.SEARCH / "round-01/proposal.json", stale)
    old = records.read(records.path_of(made.SEARCH / "round-01/proposal.json"))
    records.write(stale, old.inputs, records.digests([stale]), old.facts)
    pack(graph.read(Path("results")), BEST, Path("search.zip"))
    assert not [name for name in zipfile.ZipFile("search.zip").namelist() if "round-09" in name]


@pytest.mark.parametrize("name", ["../outside.json", "/tmp/outside.json", "results/evil.py", "a\\..\\b.json"])
def test_foreign_pack_is_refused(folder: Path, name: str) -> None:
    """A zip that would write elsewhere, or something other than artifacts, is refused before a file is written."""
    with zipfile.ZipFile("evil.zip", "w") as archive:
        archive.writestr("results/fine.json", "{}")
        archive.writestr(name, "{}")
    with pytest.raises(ArtifactError, match="no artifact of a search"):
        unpack(Path("evil.zip"))
    assert not Path("results/fine.json").exists()


def test_damaged_pack_is_one_line(folder: Path) -> None:
    """A truncated pack is told in one line, and nothing is written."""
    pack(graph.read(Path("results")), BEST, Path("search.zip"))
    Path("search.zip").write_bytes(Path("search.zip").read_bytes()[:-200])
    with pytest.raises(ArtifactError, match="is no intact pack"):
        unpack(Path("search.zip"))


def test_unpack_overwrites_nothing(folder: Path) -> None:
    """A file that is there and is another one stops the unpacking before anything is written."""
    pack(graph.read(Path("results")), BEST, Path("search.zip"))
    shutil.rmtree(made.SEARCH / "round-01")
    BEST.write_text('{"mine": 1}')
    with pytest.raises(UserError, match=r"best\.json: is there already and is another file"):
        unpack(Path("search.zip"))
    assert BEST.read_text() == '{"mine": 1}' and not (made.SEARCH / "round-01").exists()


def test_unpack_follows_no_link_outward(folder: Path, tmp_path: Path) -> None:
    """A folder that is a link to somewhere else is not written through."""
    pack(graph.read(Path("results")), BEST, Path("search.zip"))
    shutil.rmtree("store")
    (tmp_path / "outside").mkdir()
    Path("store").symlink_to(tmp_path / "outside")
    with pytest.raises(ArtifactError, match="leads outside this folder"):
        unpack(Path("search.zip"))
    assert list((tmp_path / "outside").iterdir()) == []


def test_zip_bomb_is_refused(folder: Path) -> None:
    """Gigabytes of zeros, packed into little, are refused without taking the memory."""
    with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number in range(2):
            with archive.open(f"results/{number}.json", "w") as file:
                for _ in range(80):
                    file.write(bytes(2**20))
    tracemalloc.start()
    with pytest.raises(ArtifactError, match="unpacks to more than any search holds"):
        unpack(Path("bomb.zip"))
    assert tracemalloc.get_traced_memory()[1] < 3 * artifacts.LARGEST_JSON
    tracemalloc.stop()


def test_pack_of_unsealed_json_is_refused(folder: Path) -> None:
    """Only sealed files of the pipeline's are put back: package.json is none."""
    with zipfile.ZipFile("evil.zip", "w") as archive:
        archive.writestr("package.json", "{}")
    with pytest.raises(ArtifactError, match=r"package\.json is not a sealed file"):
        unpack(Path("evil.zip"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_a_pack_or_one_line(data: st.DataObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack cut, or changed anywhere, is refused in a line and restores nothing, or restores sealed files."""
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("good.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results/best.json", artifacts.sealed_bytes("best", 1, {"score": 1}))
    good = Path("good.zip").read_bytes()
    start, end = (data.draw(st.integers(0, len(good))) for _ in range(2))
    Path("bad.zip").write_bytes(good[:start] + data.draw(st.binary(max_size=8)) + good[end:])
    shutil.rmtree("results", ignore_errors=True)
    try:
        unpack(Path("bad.zip"))
    except UserError as error:
        assert "\n" not in str(error)
    assert {path.name for path in tmp_path.iterdir()} <= {"good.zip", "bad.zip", "results"}
