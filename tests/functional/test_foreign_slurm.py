"""The tests' SLURM never touches a SLURM that it did not start. Nothing here starts one."""

import os
from pathlib import Path

import pytest

from tests.cluster import local_slurm
from tests.cluster.local_slurm import LocalSlurm


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of /etc/slurm, and programs that note how they are called instead of SLURM's."""
    programs, folder = tmp_path / "bin", tmp_path / "etc"
    programs.mkdir()
    folder.mkdir()
    for name in local_slurm.PROGRAMS:
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $SLURM_CONF" >> {tmp_path}/called\nexit 1\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.delenv("SLURM_CONF", raising=False)
    monkeypatch.setattr(local_slurm, "ETC", folder)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(local_slurm, "CONTROLLER_PORT", 1)
    return folder


@pytest.mark.parametrize("name", ["slurm.conf", "gres.conf"])
@pytest.mark.parametrize("kind", ["file", "link", "broken link"])
def test_another_slurm_is_left_alone(name: str, kind: str, etc: Path, tmp_path: Path) -> None:
    """A configuration of another's, also a link, even one that leads nowhere now, stays and stops these tests."""
    theirs = tmp_path / "theirs.conf"
    if kind != "broken link":
        theirs.write_text("ClusterName=production\n")
    if kind == "file":
        theirs.rename(etc / name)
    else:
        (etc / name).symlink_to(theirs)
    before = (etc / name).lstat()
    why = "leads to" if kind == "broken link" else "belongs to a cluster"
    assert (local_slurm.missing() or "").startswith(f"{etc / name} {why}")
    with pytest.raises(RuntimeError, match=why), LocalSlurm(tmp_path / "ours"):
        pass
    assert (etc / name).lstat() == before
    assert not (tmp_path / "called").exists(), "no command may reach it, scancel least of all"


def test_a_slurm_of_the_environment_is_left_alone(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM_CONF leads every command to another SLURM."""
    monkeypatch.setenv("SLURM_CONF", "/shared/slurm.conf")
    assert local_slurm.missing() == "SLURM_CONF=/shared/slurm.conf names a cluster"


def test_links_of_these_tests_are_replaced(etc: Path, tmp_path: Path) -> None:
    """What tests that were killed have left is no other SLURM's."""
    (tmp_path / "old.conf").write_text(f"{local_slurm.OURS}\nClusterName=tests\n")
    (etc / "slurm.conf").symlink_to(tmp_path / "old.conf")
    assert local_slurm.missing() is None


def test_commands_go_to_this_slurm(etc: Path, tmp_path: Path) -> None:
    """Every command names this one's configuration."""
    LocalSlurm(tmp_path / "ours").command("sinfo", check=False)
    called = (tmp_path / "called").read_text().splitlines() if (tmp_path / "called").exists() else []
    assert called == [f"sinfo {tmp_path}/ours/slurm.conf"]
