"""Object storage: before anything runs, a line says which package serves the place that the parameters name."""

from dataclasses import dataclass
from typing import Any

import pytest
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry

from autoshrink.errors import UserError
from autoshrink.params import load
from autoshrink.workflow import storage


@dataclass
class StandIn:
    """A plugin for the places of one scheme."""

    scheme: str
    writes: bool = True

    @property
    def storage_provider(self) -> "StandIn":
        """Itself."""
        return self

    def is_valid_query(self, query: str) -> bool:
        """Whether it serves a place."""
        return query.startswith(f"{self.scheme}://") and query.count("/") > 3

    def is_read_write(self) -> bool:
        """Whether it can write."""
        return self.writes


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The installed storage plugins: none."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(StoragePluginRegistry(), "plugins", found)
    return found


def told(place: str) -> str:
    """Return the line that refuses a place."""
    with pytest.raises(UserError) as caught:
        storage.check(load([], [f"paths.storage={place}"]))
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize(
    ("scheme", "package"), [("s3", "s3"), ("nosuch", "nosuch"), ("gs", "gcs"), ("az", "azure"), ("sftp", "sftp")]
)
def test_a_plugin_that_is_missing_is_named(plugins: dict[str, Any], scheme: str, package: str) -> None:
    """The key, the scheme, and what to install."""
    plugins["other"] = StandIn("other")
    line = told(f"{scheme}://lab/run")
    assert line.startswith(f"paths.storage = '{scheme}://lab/run': no installed storage plugin")
    assert f"the scheme {scheme}; install snakemake-storage-plugin-{package}, " in line


def test_a_place_that_is_served_is_no_mistake(plugins: dict[str, Any]) -> None:
    """And none at all needs no plugin."""
    storage.check(load([]))
    plugins["s3"] = StandIn("s3")
    storage.check(load([], ["paths.storage=s3://lab/run"]))


def test_places_that_plugins_cannot_serve(plugins: dict[str, Any]) -> None:
    """One that its plugin refuses, that several claim, or that can only be read."""
    plugins["http"] = StandIn("http", writes=False)
    assert "the storage plugin http can only read" in told("http://lab/run")
    plugins["s3"] = StandIn("s3s")
    assert "snakemake-storage-plugin-s3, which is installed, knows no such place" in told("s3://lab")
    plugins |= {"one": StandIn("both"), "two": StandIn("both")}
    assert "several storage plugins know it: one, two" in told("both://lab/run")


def test_fetching_needs_a_place() -> None:
    """Without one, a line says so; nothing is fetched from a place called None."""
    with pytest.raises(UserError, match=r"paths\.storage: is null; name the place"):
        storage.require(load([]))
