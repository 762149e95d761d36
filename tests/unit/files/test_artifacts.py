"""Files as values: all or nothing on disk, and every alteration found when read."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts

CONTENT = {
    "name": "a-cell",
    "edges": [[0, 1], [1, 2]],
    "score": 0.125,
    "ratio": 1e-07,
    "text": "Zür\u2028ich",
    "none": None,
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)


def leftovers(folder: Path) -> list[str]:
    """Return what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


@given(value=json_values)
def test_any_json_value_survives(value: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is sealed is read back equal, floats to the last bit."""
    path = tmp_path_factory.mktemp("any") / "file.json"
    artifacts.write_sealed(path, "thing", 1, {"value": value})
    assert artifacts.read_sealed(path, "thing", 1) == {"value": value}


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    """Writing makes parent folders, replaces what was there, and leaves no temporary file."""
    path = tmp_path / "a" / "b" / "file.json"
    for number in (1, 2):
        artifacts.write_sealed(path, "thing", 1, {"number": number})
    assert artifacts.read_sealed(path, "thing", 1) == {"number": 2}
    assert leftovers(path.parent) == ["file.json"]


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    """NaN is no JSON: writing it fails and leaves nothing."""
    with pytest.raises(ValueError, match="Out of range float"):
        artifacts.write_sealed(tmp_path / "file.json", "thing", 1, {"value": float("nan")})
    assert leftovers(tmp_path) == []


def test_every_flipped_byte_is_found(tmp_path: Path) -> None:
    """Each byte of a sealed file, changed in any single bit or removed or doubled, makes reading fail in one line."""
    path = tmp_path / "file.json"
    artifacts.write_sealed(path, "thing", 1, CONTENT)
    raw = path.read_bytes()
    for position in range(len(raw)):
        altered = [raw[:position] + bytes([raw[position] ^ (1 << bit)]) + raw[position + 1 :] for bit in range(8)]
        altered += [
            raw[:position] + raw[position + 1 :],
            raw[:position] + raw[position : position + 1] + raw[position:],
        ]
        for content in altered:
            if content == raw:
                continue
            path.write_bytes(content)
            with pytest.raises(ArtifactError) as caught:
                artifacts.read_sealed(path, "thing", 1)
            assert str(path) in str(caught.value)
            assert "\n" not in str(caught.value)


def test_every_truncation_is_found(tmp_path: Path) -> None:
    """A sealed file cut anywhere, and one with something after its end, does not read."""
    path = tmp_path / "file.json"
    artifacts.write_sealed(path, "thing", 1, CONTENT)
    raw = path.read_bytes()
    for content in [raw[:length] for length in range(len(raw))] + [raw + b"\n", raw + raw]:
        path.write_bytes(content)
        with pytest.raises(ArtifactError):
            artifacts.read_sealed(path, "thing", 1)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (("other", 1), "expected a file of kind 'thing', found 'other'"),
        (("thing", 2), "thing version 2 is not known here; accepted: version 1"),
    ],
)
def test_other_kinds_and_versions_are_refused(tmp_path: Path, written: tuple[str, int], message: str) -> None:
    """A file of another kind or version is refused, with what was found and what is accepted."""
    artifacts.write_sealed(tmp_path / "file.json", *written, {})
    with pytest.raises(ArtifactError, match=message):
        artifacts.read_sealed(tmp_path / "file.json", "thing", 1)


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", '{"kind": "thing"}', '"\\ud800"', "NaN", "\x80"])
def test_foreign_json_is_refused(tmp_path: Path, text: str) -> None:
    """JSON that is no sealed file is an ArtifactError, whatever it holds."""
    (tmp_path / "file.json").write_text(text, encoding="latin-1")
    with pytest.raises(ArtifactError):
        artifacts.read_sealed(tmp_path / "file.json", "thing", 1)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """What is not there, or is a folder, is an ArtifactError that names it."""
    with pytest.raises(ArtifactError, match=r"none\.json: there is no such file; expected a thing"):
        artifacts.read_sealed(tmp_path / "none.json", "thing", 1)
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifacts.read_sealed(tmp_path, "thing", 1)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full at any stage, the error comes through, the old content stays and no temporary file does."""
    path = tmp_path / "file.json"
    artifacts.write_sealed(path, "thing", 1, {"number": 1})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            if name == "fsync":
                patch.setattr(os, "fsync", full)
            else:
                patch.setattr(Path, "replace", full)
            with pytest.raises(OSError, match="No space left"):
                artifacts.write_sealed(path, "thing", 1, {"number": 2})
        assert artifacts.read_sealed(path, "thing", 1) == {"number": 1}
        assert leftovers(tmp_path) == ["file.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_really_full_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing to a device that is full fails with the system's own error, whatever the buffering."""
    opened = Path.open

    def onto_full(self: Path, mode: str = "r", *args: object, **named: object):  # type: ignore[no-untyped-def]
        if "x" not in mode:
            return opened(self, mode, *args, **named)  # type: ignore[call-overload]
        self.symlink_to("/dev/full")
        return opened(self, "wb")

    monkeypatch.setattr(Path, "open", onto_full)
    with pytest.raises(OSError, match="No space left"):
        artifacts.write_bytes(tmp_path / "file.bin", b"x" * 100_000)
    assert leftovers(tmp_path) == []


def test_a_read_only_folder_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file can be made the system's error comes through; nothing changes."""
    path = tmp_path / "file.json"
    artifacts.write_sealed(path, "thing", 1, {"number": 1})
    opened = Path.open

    def read_only(self: Path, mode: str = "r", *args: object, **named: object):  # type: ignore[no-untyped-def]
        # a root user may write to read-only folders, so the system's refusal is restated here
        if "x" in mode:
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        return opened(self, mode, *args, **named)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", read_only)
        with pytest.raises(OSError, match="Read-only file system"):
            artifacts.write_sealed(path, "thing", 1, {"number": 2})
    assert artifacts.read_sealed(path, "thing", 1) == {"number": 1}


def test_an_interrupted_block_leaves_nothing(tmp_path: Path) -> None:
    """An exception inside ``replacing`` (also Ctrl-C) leaves neither the file nor a temporary one."""
    for exception in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(exception), artifacts.replacing(tmp_path / "file.bin") as file:
            file.write(b"half")
            raise exception
    assert leftovers(tmp_path) == []


def test_set_aside_never_overwrites(tmp_path: Path) -> None:
    """Damaged files keep their bytes under new names that count up."""
    path = tmp_path / "file.json"
    for number in (1, 2):
        path.write_text(str(number))
        assert artifacts.set_aside(path, "damaged").name == f"file.json.damaged-{number}"
    assert leftovers(tmp_path) == ["file.json.damaged-1", "file.json.damaged-2"]
    assert (tmp_path / "file.json.damaged-2").read_text() == "2"


def test_digests_are_of_values_not_of_spelling(tmp_path: Path) -> None:
    """Key order does not change a digest; any value does; a file's digest is sha256 of its bytes."""
    assert artifacts.digest_of({"a": 1, "b": 2}) == artifacts.digest_of({"b": 2, "a": 1})
    assert artifacts.digest_of({"a": 1}) != artifacts.digest_of({"a": 1.5})
    (tmp_path / "empty").write_bytes(b"")
    assert (
        artifacts.digest_of_file(tmp_path / "empty")
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
