"""The plan as a value: all methods side by side, what is kept, and what is said of it."""

from pathlib import Path

import pytest

from autoshrink.errors import ArtifactError, UserError
from autoshrink.planner import outcome, published
from autoshrink.planner.array import Accelerator, Array, joined, uniform
from autoshrink.planner.device_file import read
from autoshrink.planner.planning import Method, Settings
from tests.unit.planner.made import FAST, SLOW

ALEXNET = next(network for network in published.networks() if network.name == "AlexNet")


def test_every_method_stands_beside_the_chosen_one(tmp_path: Path) -> None:
    made = outcome.make(ALEXNET, read("tpu-boards"), Settings())
    steps = {(item.method, item.shares): item.step for item in made.methods}
    assert len(steps) == 8
    assert all(value is not None for value in steps.values())
    assert min(steps.values()) == steps["accpar", "balanced"]  # type: ignore[type-var]
    for item in made.methods:
        assert item.step == pytest.approx(item.compute + sum(item.communication), rel=1e-9)  # type: ignore[operator]
    assert len(made.plan.levels()) == 8
    assert "times as fast as data parallelism" in made.sentence
    assert "128 tpu-v2 + 128 tpu-v3" in made.sentence
    path = tmp_path / "plan.json"
    made.save(path)
    assert outcome.Plan.load(path) == made
    path.write_text(path.read_text().replace('"batch": 512', '"batch": 513'))
    with pytest.raises(ArtifactError, match="does not match its own sha256"):
        outcome.Plan.load(path)


def test_memory_that_no_plan_fits_is_one_line() -> None:
    tiny = Array("tiny", uniform(Accelerator("tiny", 1e12, 1e6, 1e9), 2))
    with pytest.raises(
        UserError, match=r"^AlexNet: no plan fits into memory: by accpar the thriftiest found takes .* GB of a tiny"
    ) as caught:
        outcome.make(ALEXNET, tiny, Settings())
    assert "\n" not in str(caught.value)


def test_a_plan_that_does_not_fit_gives_way_to_one_that_does() -> None:
    """Dense layers' weights, whole on each device under data parallelism, are divided where memory is short."""
    small = joined(
        [uniform(Accelerator("a", 1e12, 0.4757e9, 1e9), 2), uniform(Accelerator("b", 2e12, 0.4757e9, 1e12), 2)]
    )
    made = outcome.make(ALEXNET, Array("small", small), Settings(Method.ACCPAR, "equal"))
    fits = {(item.method, item.shares): item.fits for item in made.methods}
    assert fits["accpar", "equal"]
    assert not fits["data", "equal"]


def test_a_method_that_cannot_plan_says_why_beside_those_that_can() -> None:
    few = Array("many", joined([uniform(FAST, 512), uniform(SLOW, 512)]))
    made = outcome.make(ALEXNET, few, Settings())
    data = next(item for item in made.methods if item.name == "data, equal shares")
    assert data.step is None
    assert "cannot be divided between" in data.problem
    assert "cannot be trained by data parallelism" in made.sentence
