"""The page's panel of a plan: bars by method, a strip for every split, and nothing where no plan was asked for."""

from pathlib import Path

import jinja2

from autoshrink.params.document import defaults
from autoshrink.planner import outcome, published
from autoshrink.planner.device_file import read as read_devices
from autoshrink.planner.planning import Settings
from autoshrink.report import plans


def test_a_panel_has_a_bar_for_each_method_and_a_strip_for_each_split(tmp_path: Path) -> None:
    network = next(network for network in published.networks() if network.name == "AlexNet")
    made = outcome.make(network, read_devices("tpu-boards"), Settings())
    path = tmp_path / "cnn" / "shrink-0" / "plan.json"
    made.save(path)
    asked = defaults().model_copy(update={"plan": defaults().plan.model_copy(update={"devices": "tpu-boards"})})
    (panel,) = plans.read(tmp_path, asked)
    assert len(panel.bars) == 8
    assert [bar.label for bar in panel.bars if bar.chosen] == ["AccPar, balanced"]
    assert max(bar.length for bar in panel.bars) == 100
    assert len(panel.levels) == 15  # the two kinds of board are planned apart below the first split
    assert all(len(level.layers) == 8 for level in panel.levels)
    environment = jinja2.Environment(loader=jinja2.PackageLoader("autoshrink.report"), autoescape=True)
    page = environment.get_template("plans.html.j2").render(plans=[panel])
    assert made.sentence in page
    assert page.count("plan-strip") == 15
    assert "conv1: type I, first side" in page


def test_a_run_that_asked_for_no_plan_shows_none(tmp_path: Path) -> None:
    assert plans.read(tmp_path, defaults()) == []
