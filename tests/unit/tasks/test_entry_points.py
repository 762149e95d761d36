"""What is wrong with a user's own reference is told in one line."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from autoshrink.cells.body import KnownBlock
from autoshrink.errors import ParameterError
from autoshrink.params.vision import ImageNetwork
from autoshrink.tasks import entry_points
from autoshrink.tasks.vision import network

SOURCE = """
from torch import nn
NUMBER = 3
def tiny(width, channels, classes):
    filters = max(1, round(8 * width))
    return nn.Sequential(
        nn.Conv2d(channels, filters, 3), nn.BatchNorm2d(filters), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(filters, classes),
    )
def text(width, channels, classes):
    return "no module"
def fails(width):
    return None
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a run with a module of the user's own."""
    (tmp_path / "my_networks.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("import there_is_no_such_package\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("my_networks", None)


def test_a_users_own_network_is_built_from_the_seed(folder: Path) -> None:
    """Its function makes all of it, of the width asked for, the same for the same seed."""
    own = KnownBlock("my_networks:tiny")
    wide = ImageNetwork(channel_scale=2.0)
    first, second, other = (network.initialised(own, wide, 3, 5, seed) for seed in (1, 1, 2))
    assert first(torch.zeros(2, 3, 8, 8)).shape == (2, 5)
    weights = [module.state_dict()["0.weight"] for module in (first, second, other)]
    assert weights[0].shape == (16, 3, 3, 3)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    network.outline(own, wide, 3, 5).load_state_dict(first.state_dict(), assign=True)
    assert entry_points.source("my_networks:tiny") == folder / "my_networks.py"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere:tiny", "there is no Python module 'nowhere'"),
        ("my_networks:tinny", "my_networks has nothing by the name 'tinny'; expected a function"),
        ("my_networks:NUMBER", "my_networks has a int by the name 'NUMBER'"),
        ("my_networks:text", "returns a str; expected a torch.nn.Module"),
        ("my_networks:fails", "TypeError"),
        ("broken:tiny", "importing broken fails"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, name: str, said: str) -> None:
    """No module, no function, no network: each is named."""
    with pytest.raises(ParameterError, match=said) as raised:
        entry_points.module(name, 1.0, channels=3, classes=5)
    assert "\n" not in str(raised.value)
