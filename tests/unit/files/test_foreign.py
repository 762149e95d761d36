"""Foreign files are read whole where they are regular, and refused at once where they are not."""

import os
from pathlib import Path

import pytest

from autoshrink.files import foreign


def test_a_regular_file_is_read_through_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert foreign.read(tmp_path / "link") == b"content"


def test_a_pipe_a_folder_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match=r"is a pipe|Is a directory") as caught:
            foreign.read(path)
        assert caught.value.filename == str(path)


def test_too_large_a_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(OSError, match=r"1,000,000,000,000 bytes; accepted: at most 1,000"):
        foreign.read(tmp_path / "large", 1000)
