"""Ablations: what is read, what is trained again, and what is made of the rows."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from autoshrink.cells.body import KnownBlock
from autoshrink.errors import ParameterError
from autoshrink.params import load
from autoshrink.params.base import Task
from autoshrink.tasks import address
from autoshrink.tasks.spec import spec_of
from benchmarks import ablation

VARIANTS = """
plain: {cell: "conv_1x1(0)"}
head: {cell: "conv_1x1(0)", network: {head_filters: 12}}
mobile: {cell: mobilenet_v2_x4}
"""


def test_variants_are_keys_names_and_changes(tmp_path: Path) -> None:
    """A cell is a key, a released one or a reference; what is none is one line."""
    file = tmp_path / "variants.yaml"
    file.write_text(VARIANTS + "released: {cell: shrinkcnn-a}\n")
    found = ablation.variants(file, Task.CNN, 5)
    assert [(one.name, one.body.key, one.network) for one in found[:2]] == [
        ("plain", "conv_1x1(0)", {}),
        ("head", "conv_1x1(0)", {"head_filters": 12}),
    ]
    assert found[2].body == KnownBlock("mobilenet_v2_x4")
    for text, message in (
        ("a: {cell: mobilenet_v9}\nb: {cell: conv_1x1(0)}", "cell 'mobilenet_v9': is none; did you mean"),
        ("a: {cell: complete}\nb: {cell: conv_1x1(0)}", "cell 'complete': is none"),
        ("a: conv_1x1(0)\nb: {cell: conv_1x1(0)}", "a: expected {cell: ..., network: {...}}"),
        ("a: {cell: conv_1x1(0)}", "holds 1 variants"),
    ):
        file.write_text(text)
        with pytest.raises(ParameterError, match=message.replace("{", r"\{")) as raised:
            ablation.variants(file, Task.CNN, 5)
        assert "\n" not in str(raised.value)


def test_rows_are_of_one_cost_and_none_is_trained_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variant fills the budget, whatever its network; a second call trains the seeds that are lacking alone.

    Rows of what a variant was before are not shown.
    """
    file, out = tmp_path / "variants.yaml", tmp_path / "rows.csv"
    file.write_text(VARIANTS)
    parameters = load(
        [Path("workflow/presets/smoke.yaml")],
        [
            f"paths={{data: {tmp_path}/data, store: {tmp_path}/store, results: {tmp_path}/results}}",
            "search.cnn.objective.budget={macs: 60000}",
            "training.cnn={epochs: 1, warmup_epochs: 0.5, network: {channel_divisor: 1}}",
        ],
    )
    folder = address.folder(parameters, "digits")
    spec_of(Task.CNN).prepare("digits", parameters.datasets["digits"], folder, tmp_path, parameters.seed)
    plan = ablation.planned(parameters, Task.CNN, ablation.variants(file, Task.CNN, 3))
    first = list(ablation.trainings(parameters, Task.CNN, plan, range(1), tmp_path / "models", out))
    assert [row["variant"] for row in first] == ["plain", "head", "mobile"]
    assert all(0.95 * 60_000 < row["macs"] <= 1.03 * 60_000 for row in first), [row["macs"] for row in first]
    assert list(ablation.trainings(parameters, Task.CNN, plan, range(1), tmp_path / "models", out)) == []
    again = list(ablation.trainings(parameters, Task.CNN, plan[:1], range(2), tmp_path / "models", out))
    assert [(row["variant"], row["seed"]) for row in again] == [("plain", 1)]
    assert len(ablation.rows_of(out)) == 4
    shown = ablation.rows_of_plan(parameters, plan, out)
    assert [row["variant"] for row in shown] == ["plain", "plain", "head", "mobile"]
    assert "| plain" in ablation.summary(shown, "plain")

    # a variant of the same name that is another network has none of the old rows; nor has any under other code
    file.write_text(VARIANTS.replace("head_filters: 12", "head_filters: 16"))
    changed = ablation.planned(parameters, Task.CNN, ablation.variants(file, Task.CNN, 3))
    rows = ablation.rows_of_plan(parameters, changed, out)
    assert [row["variant"] for row in rows] == ["plain", "plain", "mobile"]
    monkeypatch.setattr(ablation, "code", SimpleNamespace(digest=lambda *about, **operators: "edited"))
    edited = ablation.planned(parameters, Task.CNN, ablation.variants(file, Task.CNN, 3))
    assert ablation.rows_of_plan(parameters, edited, out) == []


@pytest.mark.parametrize(
    ("task", "qualities", "expected"),
    [
        (
            "cnn",
            {"base": [0.70, 0.72], "other": [0.73, 0.74]},
            ["71.00 % (58.29 to 83.71)", "+2.50 points (-3.85 to +8.85)"],
        ),
        ("rnn", {"base": [100.0, 100.0], "other": [90.0, 90.0]}, ["100.00 (100.00 to 100.00)", "-10.00 %"]),
    ],
)
def test_differences_are_paired_by_seed(task: str, qualities: dict[str, list[float]], expected: list[str]) -> None:
    """In points of accuracy, and in per cent of a perplexity, where less is better; Student's intervals."""
    rows = [
        {
            "task": task,
            "variant": name,
            "seed": str(seed),
            "quality": str(quality),
            "macs": "900",
            "parameters": "9",
            "cell": "tanh(0)",
            "network": "{}",
        }
        for name, values in qualities.items()
        for seed, quality in enumerate(values)
    ]
    table = ablation.summary(rows, "base")
    for text in expected:
        assert text in table
