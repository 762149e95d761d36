"""The page's panel of a plan: bars by method, a strip for every split, and nothing where no plan was asked for."""

from pathlib import Path

import jinja2

from autoshrink.cells.cell import Cell
from autoshrink.params.base import Task
from autoshrink.params.document import defaults
from autoshrink.params.language import LanguageNetwork
from autoshrink.planner import outcome, published
from autoshrink.planner.array import Accelerator, Array, uniform
from autoshrink.planner.device_file import read as read_devices
from autoshrink.planner.planning import Settings
from autoshrink.planner.readers import recurrent
from autoshrink.report import plans


def test_a_panel_has_a_bar_for_each_method_and_a_strip_for_each_split(tmp_path: Path) -> None:
    network = next(network for network in published.networks() if network.name == "AlexNet")
    made = outcome.make(network, read_devices("tpu-boards"), Settings())
    path = tmp_path / "cnn" / "shrink-0" / "plan.json"
    made.save(path)
    plan = defaults().plan.model_copy(update={"devices": "tpu-boards"})
    asked = defaults().model_copy(update={"plan": plan, "tasks": [Task.CNN]})
    (panel,) = plans.read(tmp_path, asked)
    assert len(panel.bars) == 8
    assert [bar.label for bar in panel.bars if bar.chosen] == ["AccPar, balanced"]
    assert max(bar.length for bar in panel.bars) == 100
    assert len(panel.levels) == 15  # the two kinds of board are planned apart below the first split
    assert all(len(level.layers) == 8 for level in panel.levels)
    environment = jinja2.Environment(loader=jinja2.PackageLoader("autoshrink.report"), autoescape=True)
    page = environment.get_template("plans.html.j2").render(
        plans=[panel], published=published.PUBLISHED, reproduced=published.REPRODUCED
    )
    assert made.sentence in page
    assert page.count("plan-strip") == 15
    assert "conv1: type I, first side" in page
    assert "not reproduced: AccPar's mean of 6.30" in page


def test_each_task_has_a_panel_and_a_recurrent_one_says_its_time_steps(tmp_path: Path) -> None:
    shrinkrnn = Cell.of(["tanh"], [(0, 1)])
    asked = defaults().model_copy(update={"plan": defaults().plan.model_copy(update={"devices": "tpu-boards"})})
    networks = {
        "cnn": next(network for network in published.networks() if network.name == "LeNet"),
        "rnn": recurrent.read("one edge", shrinkrnn, LanguageNetwork(), 500, 7, 512),
    }
    array = Array("four", uniform(Accelerator("a", 1e12, 1e9, 1e9), 4))
    for task, network in networks.items():
        outcome.make(network, array, Settings()).save(tmp_path / task / "shrink-0" / "plan.json")
    panels = plans.read(tmp_path, asked)
    assert [panel.title for panel in panels] == ["cnn/shrink-0", "rnn/shrink-0"]
    assert [panel.plan.time_steps for panel in panels] == [None, 7]
    assert [words.split(":")[0] for _, words in panels[1].levels[0].layers] == [
        "embedding",
        "input",
        "recurrent",
        "edges of 0",
        "decoder",
    ]


def test_a_run_that_asked_for_no_plan_shows_none(tmp_path: Path) -> None:
    assert plans.read(tmp_path, defaults()) == []
