"""Finalists evaluated by the final training's recipe."""

from pathlib import Path

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError, DivergedError, ParameterError
from autoshrink.evaluation import engine
from autoshrink.evaluation.final_recipe import FinalRecipe
from autoshrink.evaluation.store import Store
from autoshrink.params import Parameters, load
from autoshrink.params.base import Task
from autoshrink.records.evaluation import EpochEntry, EvaluationJob
from autoshrink.records.proposal import Fidelity, Proposal, ProposedSlot
from autoshrink.search import finalists
from autoshrink.tasks import address, sufficiency
from autoshrink.tasks.spec import spec_of
from autoshrink.tasks.vision import training
from autoshrink.workflow.plan import Plan

SMOKE = Path("workflow/presets/smoke.yaml")
FINAL = "search.cnn.finalists={count: 2, recipe: final, epochs: 2}"


def parameters(folder: Path, *settings: str) -> Parameters:
    """Return the smoke preset with finalists by the final recipe."""
    paths = f"paths={{data: {folder}/data, store: {folder}/store, results: {folder}/results}}"
    return load([SMOKE], [paths, FINAL, *settings])


def test_finalists_are_trained_on_the_final_data_and_judged_on_what_it_holds_out(tmp_path: Path) -> None:
    """Shortened as asked, by another seed per repeat, kept under a key of its own, and never trained twice."""
    chosen = parameters(tmp_path, "search.cnn.objective.budget={macs: 60000}")
    data = address.folder(chosen, "digits")
    spec_of(Task.CNN).prepare("digits", chosen.datasets["digits"], data, tmp_path, chosen.seed)
    cell = Cell.of(["conv_1x1"], [(0, 1)])
    slots = tuple(
        ProposedSlot(
            slot=slot,
            cell=cell,
            canonical=cell.canonical(),
            key=cell.key,
            origin="made",
            removed=(),
            fidelity=fidelity,
        )
        for slot, fidelity in enumerate([Fidelity(recipe="final", epochs=2), Fidelity(epochs=2)])
    )
    proposal = tmp_path / "proposal.json"
    Proposal(task=Task.CNN, search="shrink-0", round=4, candidates=slots).write(proposal)
    events: list[engine.Event] = []
    found = []
    for number, repeat in enumerate((1, 2, 1)):
        out = tmp_path / f"evaluations-{number}.json"
        store = Store(tmp_path / "store")
        about = (chosen, Task.CNN, proposal, range(2), data, store, out, events.append, repeat, data)
        reused, count, timing = engine.evaluate(*about)
        assert (reused, count) == ((2, 2) if number == 2 else (0, 2))
        assert timing.keys() == {"0", "1"}
        found.append(EvaluationJob.read(out).by_slot)
    first, again, same = (job[0] for job in found)
    assert first.identity.recipe == "final"
    assert first.identity.proxy["epochs"] == len(first.history) == 2
    assert first.fitted is not None
    assert first.identity.proxy["network"] == first.fitted.network
    assert first.metrics["accuracy"] == max(entry["validation_accuracy"] for entry in first.history)  # type: ignore[type-var]
    assert first.costs["macs"] == first.fitted.costs["macs"]
    assert again.key != first.key == same.key
    assert again.metrics != first.metrics == same.metrics
    by_proxy = found[0][1]
    assert by_proxy.identity.recipe is None
    assert "recipe" not in by_proxy.identity.to_json()
    assert [event.epochs for event in events if event.slot == 0 and not event.done][:2] == [1, 2]


def test_a_finalist_takes_as_long_as_its_recipe(tmp_path: Path) -> None:
    """A share of the final epochs is that share of the final training; the proxy's own count as such."""
    whole = finalists.share(parameters(tmp_path, "search.cnn.finalists.epochs=null"), Task.CNN)
    assert finalists.share(parameters(tmp_path), Task.CNN) == pytest.approx(whole * 2 / 3)
    longer = parameters(tmp_path, "search.cnn.finalists={recipe: proxy, epochs: 6}")
    assert finalists.share(longer, Task.CNN) == 3.0


def test_repeats_depend_on_the_final_recipe(tmp_path: Path) -> None:
    """What the final training reads is an input, and its parameters are the step's, only where it is asked for."""
    final, proxy = Plan(parameters(tmp_path)), Plan(parameters(tmp_path, "search.cnn.finalists.recipe=proxy"))
    assert final.repeated_on("cnn") == [final.manifest("training", "cnn")]
    assert proxy.repeated_on("cnn") == []
    assert final.slice("repeat", "cnn")["training"]["cnn"]["optimizer"] == "adamw"
    assert "training" not in proxy.slice("repeat", "cnn")
    assert "training" not in final.slice("evaluate", "cnn")


def recipe(folder: Path, job: str = "job.json", *settings: str) -> FinalRecipe:
    """Return what evaluates by the final recipe, for a job of that output."""
    chosen = parameters(folder, *settings)
    data = address.folder(chosen, "digits")
    if not (data / address.MANIFEST).exists():
        spec_of(Task.CNN).prepare("digits", chosen.datasets["digits"], data, folder, chosen.seed)
    return FinalRecipe(chosen, Task.CNN, data, Store(folder / "store"), folder / job)


CELL = Cell.of(["conv_1x1"], [(0, 1)]).canonical()


def test_a_stopped_training_goes_on_and_leaves_nothing(tmp_path: Path) -> None:
    """The same job resumes in its own folder, which another job of the same finalist neither reads nor removes."""

    def killed(entry: EpochEntry, epochs: int) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "store" / "finalists"
    for job in ("one.json", "other.json"):
        with pytest.raises(KeyboardInterrupt):
            recipe(tmp_path, job).evaluate(CELL, None, 2, killed)
    assert len(list(folder.iterdir())) == 2
    told: list[object] = []
    first, _, had = recipe(tmp_path, "one.json").evaluate(CELL, None, 2, lambda entry, _: told.append(entry["epoch"]))
    assert (told, had, len(first.history)) == ([1], False, 2)
    assert len(list(folder.iterdir())) == 1
    same, _, had = recipe(tmp_path, "other.json").evaluate(CELL, None, 2, killed)
    assert (same, had) == (first, True)
    assert list(folder.iterdir()) == []


def test_the_seed_on_record_is_the_one_trained_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training's own draws derive from it."""
    seen = []

    def train(cell: Cell, recipe: object, data: object, folder: Path, seed: int, *rest: object) -> None:
        seen.append(seed)
        raise DivergedError("it is")

    monkeypatch.setattr(training, "train", train)
    found, _, _ = recipe(tmp_path).evaluate(CELL, None, 2, lambda entry, epochs: None)
    assert [found.seed] == seen == [found.identity.seed]


def test_only_a_divergence_counts_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another error is raised, whatever its words; a rate beyond all reason is kept as diverged."""
    high = recipe(tmp_path, "job.json", "training.cnn.learning_rate=1e30", "training.cnn.clip_gradient_norm=0")
    found, _, _ = high.evaluate(CELL, None, 2, lambda entry, epochs: None)
    assert (found.stopped, found.metrics["accuracy"], found.history) == ("diverged", None, ())
    assert found.costs["macs"] > 0

    def train(*about: object) -> None:
        raise DataError("/data/diverged/manifest.json: is damaged")

    monkeypatch.setattr(training, "train", train)
    with pytest.raises(DataError, match="is damaged"):
        recipe(tmp_path).evaluate(CELL, None, 2, lambda entry, epochs: None)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.cnn.finalists.epochs=4", "finalists.epochs = 4: training.cnn has 3 epochs; accepted: at most as many"),
        (
            "training.cnn.warmup_epochs=2.0",
            "finalists.epochs = 2: training.cnn cannot be so short: warmup_epochs 2.0 must be less than epochs 2",
        ),
    ],
)
def test_a_recipe_that_cannot_be_so_short_is_one_line(setting: str, message: str, tmp_path: Path) -> None:
    """Before anything runs."""
    with pytest.raises(ParameterError) as raised:
        parameters(tmp_path, setting)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_recipe_that_holds_nothing_out_judges_nothing(tmp_path: Path) -> None:
    """The test split stays closed."""
    with pytest.raises(DataError, match=r"finalists\.recipe = 'final': training\.cnn holds no training data out"):
        sufficiency.check(parameters(tmp_path, "training.cnn.validation_per_class=0"))
