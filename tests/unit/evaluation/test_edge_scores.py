"""Searches whose evaluations score missing edges, on real networks."""

from pathlib import Path
from typing import Any

import pytest

from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.loading import merge
from autoshrink.records.evaluation import read_round
from autoshrink.search import rounds
from tests.unit.evaluation.conftest import BASE


def test_firefly_runs_on_real_networks(small: Any, tmp_path: Path) -> None:
    """Every round trains one cell in full, pays for tuning and scoring too, and adds what its gains say; a second
    search finds all of it in the store."""
    first = small.search("cnn", "firefly-0", tmp_path)
    contents = small.rounds("cnn", "firefly-0", tmp_path)
    assert all(len(content.candidates) <= 1 for content in contents)
    trained = [content for content in contents if content.candidates]
    assert len(trained) > 1
    for content, following in zip(trained, [*trained[1:], None], strict=True):
        (item,) = content.candidates
        (evaluation,) = read_round([tmp_path / f"cnn/firefly-0/round-{content.round:02d}/evaluations-0.json"]).values()
        assert item.score is not None and content.selected == 0
        gains = {edge: gain for edge, gain in evaluation.edge_gains(item.cell).items() if gain is not None}
        assert bool(gains) == bool(item.fidelity)
        assert item.epochs == len(evaluation.history) + (2 if item.fidelity else 0)
        if following is not None:
            added = set(following.candidates[0].cell.edges) - set(item.cell.edges)
            assert added == {max(gains, key=lambda edge: gains[edge])} and all(gains[edge] > 0 for edge in added)
    rounds.best(
        rounds.SearchName(Task.CNN, "firefly", 0),
        sorted(tmp_path.glob("cnn/firefly-0/round-*/round.json"))[1:],
        tmp_path / "best.json",
    )
    again = small.search("cnn", "firefly-0", tmp_path / "again")
    assert again["reused"] == again["evaluations"] == first["evaluations"]
    assert small.rounds("cnn", "firefly-0", tmp_path / "again") == contents


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        (
            {"search": {"rnn": {"strategy": "firefly"}}},
            r"rnn\.strategy: 'firefly' adds edges as slices of weights, and nodes of rnn average their inputs",
        ),
        (
            {"search": {"cnn": {"strategy": "firefly", "operators": ["conv_1x1", "max_pool_3x3"]}}},
            r"cnn\.strategy: 'firefly' adds edges to .* alone, and cnn\.operators has max_pool_3x3",
        ),
        (
            {
                "search": {"cnn": {"strategy": "firefly"}},
                "proxy": {"cnn": {"network": {"node_inputs": "add"}}},
            },
            r"proxy\.cnn\.network: the strategy 'firefly' needs cell_end concatenate, node_inputs concatenate",
        ),
        ({"study": {"strategies": ["shrink", "firefly"]}}, r"average their inputs.* or leave rnn out of tasks"),
    ],
    ids=["recurrent", "pools", "added inputs", "study"],
)
def test_edges_that_are_no_slices_are_refused(overlay: dict[str, Any], message: str) -> None:
    """One line says so when the parameters are read."""
    with pytest.raises(ValueError, match=message):
        Parameters.model_validate(merge(BASE, overlay))
