"""Finalists: who they are, how their means decide, and that a lucky score does not."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from autoshrink.errors import ArtifactError, UserError
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.search import Finalists
from autoshrink.records.best import Best
from autoshrink.records.evaluation import Evaluation, EvaluationJob
from autoshrink.records.proposal import Fidelity, Proposal, ProposedSlot
from autoshrink.records.round import Round
from autoshrink.search import finalists, rounds
from tests.unit.search.search_runs import by_key, evaluation, parameters, paths, run

SHRINK = rounds.SearchName(Task.CNN, "shrink", 0)


def chosen_with(**settings: Any) -> Parameters:
    """Return parameters that ask for finalists."""
    return parameters({"search": {"cnn": {"finalists": settings}}})


def finish(folder: Path, chosen: Parameters, again: dict[tuple[str, int], float | None]) -> Best:
    """Run a search, its finalists and its answer; ``again`` holds accuracies by key and repeat, others are 0.5."""
    run(chosen, SHRINK, folder, by_key)
    proposal = folder / "finalists" / "proposal.json"
    rounds.finalists(chosen, SHRINK, paths(folder), proposal)
    files = []
    settings = chosen.search.cnn.finalists
    assert settings is not None
    for job, (repeat, slots) in enumerate(finalists.jobs(settings, chosen.search.slots_per_job)):
        made = {
            item.slot: repeated(item, repeat, again)
            for item in Proposal.read(proposal).candidates
            if item.slot in slots
        }
        files.append(folder / "finalists" / f"evaluations-{job}.json")
        EvaluationJob.of(Task.CNN, str(SHRINK), 10, made, repeat).write(files[-1])
    rounds.best(SHRINK, paths(folder), folder / "best.json", chosen, files)
    return Best.read(folder / "best.json")


def repeated(item: ProposedSlot, repeat: int, again: dict[tuple[str, int], float | None]) -> Evaluation:
    """Return a finalist's evaluation under another seed."""
    macs = 1e5 * (1 + len(item.cell.edges))
    found = evaluation(item.key, again.get((item.key, repeat), 0.5), macs=macs)
    if again.get((item.key, repeat), 0.5) is None:
        found = found.model_copy(update={"metrics": {"accuracy": None}})
    return found.model_copy(update={"key": hashlib.sha256(f"{item.key}/{repeat}".encode()).hexdigest()})


def contenders(folder: Path) -> list[str]:
    """Return the keys of a finished search's cells, the best score first."""
    return [item.key for _, item in finalists.contenders([rounds.read(Round, at, SHRINK) for at in paths(folder)])]


def test_jobs_cover_every_finalist_under_every_seed() -> None:
    """Each repeat has each slot once, in jobs of at most so many; without finalists there is no job."""
    planned = finalists.jobs(Finalists(count=5, repeats=3), 2)
    assert [(repeat, (slots.start, slots.stop)) for repeat, slots in planned[:4]] == [
        (1, (0, 2)),
        (1, (2, 4)),
        (1, (4, 5)),
        (2, (0, 2)),
    ]
    assert len(planned) == 9
    assert finalists.jobs(None, 2) == []


def test_finalists_are_the_best_distinct_cells_of_all_rounds(tmp_path: Path) -> None:
    """Whether or not a round kept them, each cell once, and no more than there are."""
    chosen = chosen_with(count=500)
    contents = run(chosen, SHRINK, tmp_path, by_key)
    proposal = tmp_path / "finalists" / "proposal.json"
    count = rounds.finalists(chosen, SHRINK, paths(tmp_path), proposal)
    everything = {item.key: item.score for content in contents for item in content.candidates}
    keys = [item.key for item in Proposal.read(proposal).candidates]
    assert len(keys) == len(set(keys)) == count == len(everything)
    assert [everything[key] for key in keys] == sorted(everything.values(), reverse=True)


def test_the_best_mean_wins_and_its_first_score_does_not_count(tmp_path: Path) -> None:
    """The round's winner was lucky: the second finalist's new evaluations are better, and the answer is theirs."""
    chosen = chosen_with(count=3, repeats=2)
    run(chosen, SHRINK, tmp_path / "before", by_key)
    lucky, steady = contenders(tmp_path / "before")[:2]
    best = finish(tmp_path, chosen, {(lucky, 1): 0.6, (lucky, 2): 0.6, (steady, 1): 0.80, (steady, 2): 0.84})
    assert best.key == steady
    assert best.finalists is not None
    finals = {entry.key: entry for entry in best.finalists.candidates}
    assert best.metrics["accuracy"] == pytest.approx(0.82)
    assert best.score == finals[steady].mean == pytest.approx(sum(map(float, finals[steady].scores)) / 2)  # type: ignore[arg-type]
    assert finals[lucky].first_score > finals[steady].first_score
    # deviations 0, 0.0283 and 0 of two values each, pooled
    assert best.finalists.score_deviation == pytest.approx(0.02828 / 3**0.5, rel=1e-3)
    assert finals[steady].standard_error == pytest.approx(best.finalists.score_deviation / 2**0.5)
    assert len(set(best.finalists.seeds)) == 2 and chosen.seed not in best.finalists.seeds
    assert "of 3 finalists" in best.words() and "over 2 seeds" in best.words()


def test_one_standard_error_takes_the_cheapest_that_is_no_worse(tmp_path: Path) -> None:
    """Within a standard error of the best mean fewer MACs win; beyond it they do not."""
    chosen = chosen_with(count=40, repeats=2, rule="one_standard_error")
    contents = run(chosen, SHRINK, tmp_path / "before", by_key)
    macs = {item.key: item.costs["macs"] for content in contents for item in content.candidates}
    keys = sorted(macs, key=lambda key: macs[key])
    weight = chosen.search.cnn.objective.weight_of_macs

    def accuracies(cheap: float) -> dict[tuple[str, int], float | None]:
        import math

        # scores of 0.1 but for the dearest, 0.9, and the cheapest
        wanted = dict.fromkeys(keys, 0.1) | {keys[-1]: 0.9, keys[0]: cheap}
        gap = {1: -0.05, 2: 0.05}
        return {
            (key, repeat): wanted[key] + gap[repeat] + weight * (math.log10(macs[key]) - 6)
            for key in keys
            for repeat in (1, 2)
        }

    assert finish(tmp_path / "near", chosen, accuracies(0.87)).key == keys[0]
    assert finish(tmp_path / "far", chosen, accuracies(0.80)).key == keys[-1]


def test_a_finalist_that_diverges_does_not_win(tmp_path: Path) -> None:
    """One bad seed outweighs a better mean of the others."""
    chosen = chosen_with(count=2, repeats=2)
    run(chosen, SHRINK, tmp_path / "before", by_key)
    first, second = contenders(tmp_path / "before")[:2]
    again: dict[tuple[str, int], float | None] = {(first, 1): 0.99, (first, 2): None, (second, 1): 0.5}
    assert finish(tmp_path, chosen, again).key == second
    with pytest.raises(UserError, match="every training of a finalist diverged: lower proxy"):
        finish(tmp_path / "all", chosen, {(key, repeat): None for key in (first, second) for repeat in (1, 2)})


def test_an_answer_needs_every_evaluation_of_its_finalists(tmp_path: Path) -> None:
    """A file that is missing is told, and none of an answer is written."""
    chosen = chosen_with(count=2, repeats=2)
    finish(tmp_path, chosen, {})
    (tmp_path / "best.json").unlink()
    first = tmp_path / "finalists" / "evaluations-0.json"
    with pytest.raises(ArtifactError, match="finalist 0 has no evaluation of repeat 2"):
        rounds.best(SHRINK, paths(tmp_path), tmp_path / "best.json", chosen, [first])
    assert not (tmp_path / "best.json").exists()


def test_without_finalists_there_are_none_to_choose(tmp_path: Path) -> None:
    """Asking for them by hand is a mistake that names the parameter."""
    chosen = parameters({"search": {"cnn": {"finalists": None}}})
    run(chosen, SHRINK, tmp_path, by_key)
    with pytest.raises(UserError, match=r"search\.cnn\.finalists = null"):
        rounds.finalists(chosen, SHRINK, paths(tmp_path), tmp_path / "proposal.json")
    rounds.best(SHRINK, paths(tmp_path), tmp_path / "best.json", chosen)
    assert Best.read(tmp_path / "best.json").key == contenders(tmp_path)[0]


def test_a_longer_recipe_is_asked_for_by_its_epochs(tmp_path: Path) -> None:
    """Finalists may be trained longer than candidates are."""
    chosen = chosen_with(count=2, epochs=9)
    run(chosen, SHRINK, tmp_path, by_key)
    rounds.finalists(chosen, SHRINK, paths(tmp_path), tmp_path / "proposal.json")
    assert {item.fidelity for item in Proposal.read(tmp_path / "proposal.json").candidates} == {Fidelity(epochs=9)}
