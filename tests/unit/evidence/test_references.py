"""What a reference's name means, and its scaling to the found network's cost."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoshrink import params
from autoshrink.cells.body import KnownBlock
from autoshrink.cells.cell import Cell
from autoshrink.errors import ParameterError, UserError
from autoshrink.evidence import references
from autoshrink.evidence.references import Found
from autoshrink.params.base import Task
from autoshrink.search.rounds import SearchName
from autoshrink.search.space import over
from autoshrink.tasks.spec import spec_of

IMAGES = {"channels": 1, "height": 12, "width": 12, "classes": 4}
OPERATORS = ("separable_conv_3x3", "conv_1x1", "separable_conv_3x3")


def found(task: Task = Task.CNN, operators: tuple[str, ...] = OPERATORS) -> Found:
    """Return a found cell of two edges in the default network."""
    network = spec_of(task).training(params.load([], [])).network
    return Found(
        SearchName(task, "shrink", 0), Cell.of(operators[:2], [(0, 1), (1, 2)]), network, over(operators), network
    )


def test_names_mean_cells_of_the_searchs_operators() -> None:
    """Complete has all edges, chain one path, random draws differ by number and not by search."""
    loaded = params.load([], [])
    one = found()
    complete, chain = (references.body_of(loaded, one, name) for name in ("complete", "chain"))
    assert isinstance(complete, Cell)
    assert isinstance(chain, Cell)
    assert len(complete.edges) == 6
    assert len(chain.edges) == 3
    drawn = [references.body_of(loaded, one, f"random-{number}").key for number in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]
    assert references.body_of(loaded, one, "mobilenet_v2") == KnownBlock("mobilenet_v2")
    assert isinstance(references.body_of(loaded, one, "shrinkcnn-a"), Cell)
    highway = references.body_of(loaded, found(Task.RNN, ("relu", "tanh", "relu")), "rhn")
    assert isinstance(highway, Cell)
    assert highway.operators[1:] == ("tanh",) * 3
    assert len(highway.leaves) == 1


def test_references_of_a_search_with_a_cell_per_stage_have_one_too() -> None:
    """Complete, chain and random; a released cell serves all stages."""
    loaded = params.load([], ["search.cnn.cells=per_stage"])
    one = found(operators=("conv_1x1", "conv_1x1", "stage", "conv_1x1", "conv_1x1", "stage", "conv_1x1", "conv_1x1"))
    for name, count in (("complete", 3), ("chain", 3), ("random-0", 3), ("shrinkcnn-a", 1)):
        body = references.body_of(loaded, one, name)
        assert isinstance(body, Cell)
        assert len(body.stages) == count
        assert spec_of(Task.CNN).count(body, one.network, IMAGES)[0]["macs"] > 0


@pytest.mark.parametrize("name", ["complete", "mobilenet_v2", "shufflenet_v2"])
def test_a_reference_costs_what_the_found_network_does(name: str) -> None:
    """Within the tolerance, in the cost that is asked for, as counting its network says."""
    made = references.scaled(params.load([], []), found(), name, IMAGES)
    body, network = references.network_of(made, params.load([], []))
    assert spec_of(Task.CNN).count(body, network, IMAGES)[0] == made.costs
    assert abs(made.costs["macs"] / made.target - 1) <= 0.03


def test_parameters_can_be_made_equal_instead() -> None:
    """On request, and by default for text."""
    chosen = params.load([], ["references.cnn.cost=parameters", "references.cnn.tolerance=0.05"])
    made = references.scaled(chosen, found(), "mobilenet_v1", IMAGES)
    assert abs(made.costs["parameters"] / made.target - 1) <= 0.05
    text = references.scaled(params.load([], []), found(Task.RNN, ("relu", "tanh")), "gru", {"vocabulary": 500})
    assert text.cost == "parameters"
    assert abs(text.costs["parameters"] / text.target - 1) <= 0.02


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module of the user's own in the folder of the run."""
    (tmp_path / "own_networks.py").write_text(
        "from torch import nn\n\ndef fixed(width, channels, classes):\n"
        "    pool = nn.AdaptiveAvgPool2d(1)\n"
        "    return nn.Sequential(nn.Conv2d(channels, 4, 3), pool, nn.Flatten(), nn.Linear(4, classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("own_networks", None)


def test_what_cannot_be_compared_is_told_before_training(own: None) -> None:
    """A network without a width, a function that is not there: one line each, with what can be had."""
    fixed = params.load([], ['references.cnn.networks=["own_networks:fixed"]'])
    recipe = spec_of(Task.CNN).training(fixed)
    with pytest.raises(ParameterError, match=r"'own_networks:fixed' cannot be scaled .* the nearest it can have is"):
        references.rehearse(fixed, Task.CNN, IMAGES, recipe)
    absent = params.load([], ['references.cnn.networks=["own_networks:none", "nowhere:net"]'])
    with pytest.raises(ParameterError) as raised:
        references.check(absent)
    assert len(str(raised.value).splitlines()) == 2


def test_unknown_and_repeated_names_are_refused() -> None:
    """Each in one line that says what is accepted."""
    with pytest.raises(UserError, match="did you mean 'mobilenet_v2'"):
        params.load([], ['references.cnn.networks=["mobilenet_v3"]'])
    with pytest.raises(UserError, match="must differ"):
        params.load([], ['references.rnn.networks=["lstm", "lstm"]'])
    with pytest.raises(UserError, match="'mobilenet_v2' is no reference"):
        params.load([], ['references.rnn.networks=["mobilenet_v2"]'])


def test_every_network_is_trained_under_the_same_seeds() -> None:
    """The first is the run's own, so that the search's model is one of them."""
    loaded = params.load([], [])
    assert references.seed_of(loaded, 0) == loaded.seed
    assert len({references.seed_of(loaded, number) for number in range(5)}) == 5
