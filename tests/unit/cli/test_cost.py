"""``autoshrink cost`` and ``known-networks``: the paper's numbers for released cells, clear words where shapes lack."""

import json
from pathlib import Path

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.cli import main
from autoshrink.files import artifacts


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    return int(stop.value.code or 0)


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [("shrinkcnn-a", 3.601, 383.7), ("shrinkcnn-b", 3.601, 383.7), ("shrinkrnn", 23.001, 23.0)],
)
def test_released_cells_cost_what_the_paper_says(
    name: str, parameters: float, macs: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """The paper preset's totals, to the printed digits; the parts add up to them; batch norm is stated beside."""
    assert run("cost", "--cell", name, "--preset", "paper", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    total = found["total"]
    assert round(total["parameters"] / 1e6, 3) == parameters
    assert round(total["macs"] / 1e6, 1) == macs
    for key, value in total.items():
        assert sum(part[key] for part in found["parts"].values()) == value, key
    assert total["parameters_with_batch_norm"] >= total["parameters"]


def test_the_released_swiftnet_costs_what_its_authors_say(capsys: pytest.CaptureFixture[str]) -> None:
    """200,704 bytes of memory, 56.16 M MACs of convolutions, 213,504 weights and 3,064 biases, and its classifier.

    What waits for a later operator is not in the authors' count: an interpreter holds more, in every order.
    """
    assert run("cost", "--cell", "swiftnet", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    classifier = 76 * 2 + 2
    device = found["device"]
    assert device["memory_bytes"] == 200_704
    assert device["flash_bytes"] == 213_504 + 4 * 3064 + 76 * 2 + 4 * 2
    assert (device["arena_bytes"], device["arena_exact"]) == (275_968, True)
    assert 24 < device["intensity"] < 25
    assert found["total"]["parameters"] == 213_504 + classifier
    assert found["total"]["parameters_with_batch_norm"] == 213_504 + 2 * 3064 + classifier
    assert found["total"]["macs"] == 56_156_352 + classifier
    assert found["key"].count("stage(") == 2
    assert found["published"]["peak_memory_bytes"] == 200_700


def test_a_network_of_several_cells_is_drawn_whole_or_cell_by_cell(tmp_path: Path) -> None:
    """All of it by the network's name, one cell of it by its own."""
    assert run("cell", "swiftnet-b", "--format", "svg", "--out", str(tmp_path / "b.svg")) == 0
    assert "</svg>" in (tmp_path / "b.svg").read_text()
    assert run("cell", "swiftnet", "--format", "svg", "--out", str(tmp_path / "all.svg")) == 0
    assert "stage 3: Node 0 is the input; node 7 (conv 1×1) takes 0" in (tmp_path / "all.svg").read_text()


def test_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json: a row for each stage, the totals in millions, and what the paper published."""
    assert run("cost", "--cell", "shrinkcnn-a", "--preset", "paper") == 0
    shown = capsys.readouterr().out
    assert all(f"\nstage{stage} " in shown for stage in range(5))
    assert "3.601 M" in shown
    assert "383.7 M" in shown
    assert "published: accuracy_top1 0.739" in shown


def test_found_cell_in_the_released_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cell file that was not released is counted in the network released for its task, and nothing is published."""
    Cell.of(["tanh", "relu"], [(0, 1), (1, 2)]).save(tmp_path / "cell.json")
    assert run("cost", "--cell", str(tmp_path / "cell.json"), "--preset", "paper", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"]["parameters"] == 745 * 10_000 + 10_000 + 2 * 745 * 745 * (2 + 2)
    assert found["published"] == {}


def test_unprepared_data_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the data's shape is not known yet, one line says what to do."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("tasks: [cnn]\ndatasets: {mnist5k: {source: mnist5k}}\n", encoding="utf-8")
    assert run("cost", "--cell", "shrinkcnn-a") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "(autoshrink prepare mnist5k)" in error


def test_unknown_cell_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is neither a file nor a released cell is answered with the released names."""
    assert run("cost", "--cell", "shrinkcnn-z", "--preset", "paper") == 2
    assert "shrinkcnn-a, shrinkcnn-b, shrinkrnn" in capsys.readouterr().err


def test_known_networks_are_sealed_rows(tmp_path: Path) -> None:
    """Released cells and torchvision's architectures, counted alike, in one sealed file."""
    assert run("known-networks", "--out", str(tmp_path / "known-networks.json")) == 0
    rows = {
        row["name"]: row for row in artifacts.read_sealed(tmp_path / "known-networks.json", "known-networks", 2)["rows"]
    }
    assert round(rows["shrinkcnn-a"]["macs"] / 1e6, 1) == 383.7
    assert (rows["swiftnet"]["dataset"], rows["swiftnet"]["macs"]) == ("Visual Wake Words", 56_156_506)
    assert rows["swiftnet"]["quality"] == {}, "published by another metric"
    assert 5.9e6 < rows["MobileNetV2 1.4"]["parameters"] < 6.2e6
    assert rows["shrinkrnn"]["quality"]["perplexity_test"] == 56.5
