"""Finalists: who they are, how their means decide, and that a lucky score does not."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError, ParameterError, UserError
from autoshrink.params import Parameters, load
from autoshrink.params.base import Task
from autoshrink.params.search import Finalists
from autoshrink.params.sections import sections_of
from autoshrink.records.best import Best
from autoshrink.records.evaluation import Evaluation, EvaluationJob, Fitted
from autoshrink.records.proposal import Fidelity, Proposal, ProposedSlot
from autoshrink.records.round import Round
from autoshrink.search import finalists, rounds
from autoshrink.tasks.spec import spec_of
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


BUDGET = {"objective": {"budget": {"macs": 900_000}}, "operators": ["separable_conv_3x3", "inverted_residual"]}
HEAD, STEM = {"head_filters": 64}, {"stem_filters": 8}


def in_networks(**settings: Any) -> Parameters:
    """Return parameters whose finalists are tried in other networks."""
    return parameters({"search": {"cnn": {**BUDGET, "finalists": settings}}})


def fitted(network: Any, margin: float = 0.01) -> Fitted:
    """Return what the engine adds to an evaluation within a budget."""
    whole = parameters({}).training.cnn.network.changed(network)
    limits = {"macs": 900_000}
    return Fitted(
        width=1.5,
        network=whole.changed({"channel_scale": 1.5}).model_dump(mode="json"),
        changes=network,
        costs={"macs": 890_000, "parameters": 20_000},
        limits=limits,
        binding="macs",
        margin=margin,
    )


def finish_in_networks(
    folder: Path,
    chosen: Parameters,
    accuracy: dict[str, float],
    margin: float = 0.01,
    macs: dict[str, float] | None = None,
) -> tuple[Best, Proposal]:
    """Run a search, its finalists and its answer; ``accuracy`` is by a key of the network, "" for the recipe's own.

    ``macs`` are of the final networks.
    """

    def by_key_fitted(cell: Cell) -> Evaluation:
        return by_key(cell).model_copy(update={"fitted": fitted({})})

    run(chosen, SHRINK, folder, by_key_fitted)
    proposal = folder / "finalists" / "proposal.json"
    rounds.finalists(chosen, SHRINK, paths(folder), proposal)
    settings = chosen.search.cnn.finalists
    assert settings is not None
    files = []
    for job, (repeat, slots) in enumerate(finalists.jobs(settings, 2)):
        made = {}
        for item in Proposal.read(proposal).candidates:
            if item.slot in slots:
                name = next(iter(item.network), "")
                found = evaluation(item.key, accuracy[name], macs=7e5 if name else 6e5)
                own = fitted(item.network, margin if name else 0.01)
                own = own.model_copy(update={"costs": {**own.costs, "macs": (macs or {}).get(name, 890_000)}})
                key = hashlib.sha256(f"{item.key}/{name}/{repeat}".encode()).hexdigest()
                made[item.slot] = found.model_copy(update={"fitted": own, "key": key})
        files.append(folder / "finalists" / f"evaluations-{job}.json")
        EvaluationJob.of(Task.CNN, str(SHRINK), 10, made, repeat).write(files[-1])
    rounds.best(SHRINK, paths(folder), folder / "best.json", chosen, files)
    return Best.read(folder / "best.json"), Proposal.read(proposal)


def test_the_best_cells_are_tried_in_every_network(tmp_path: Path) -> None:
    """The cells come first, in the recipe's network; then the first of them in each other, as many slots as planned."""
    chosen = in_networks(count=3, networks=[HEAD, STEM], network_cells=2)
    settings = chosen.search.cnn.finalists
    assert settings is not None
    assert settings.slots == 7
    assert max(slots.stop for _, slots in finalists.jobs(settings, 2)) == 7
    _, proposal = finish_in_networks(tmp_path, chosen, {"": 0.5, "head_filters": 0.5, "stem_filters": 0.5})
    best = contenders(tmp_path)
    assert [(item.key, item.network) for item in proposal.candidates] == [
        *((key, {}) for key in best[:3]),
        *((key, network) for key in best[:2] for network in (HEAD, STEM)),
    ]


def test_the_answer_is_a_cell_and_a_network(tmp_path: Path) -> None:
    """The best mean wins with its network: the final training builds that one, and words and costs are its."""
    chosen = in_networks(count=2, networks=[HEAD, STEM])
    best, _ = finish_in_networks(tmp_path, chosen, {"": 0.6, "head_filters": 0.7, "stem_filters": 0.65})
    assert best.changes == HEAD
    assert best.score == pytest.approx(0.7)
    assert best.costs["macs"] == 7e5
    assert best.fitted is not None
    spec = spec_of(Task.CNN)
    network = spec.fitted(spec.training(chosen), best.fitted.network).network
    assert (network.head_filters, network.channel_scale) == (64, 1.5)
    assert "in a network of head_filters 64 has the best mean score: 0.7000" in best.words()
    own, _ = finish_in_networks(tmp_path / "own", chosen, {"": 0.8, "head_filters": 0.7, "stem_filters": 0.65})
    assert own.changes == {}
    assert "network" not in own.words()


def test_costs_of_finalists_are_of_one_kind_of_network(tmp_path: Path) -> None:
    """Fewest MACs are of final networks, whatever the rounds' proxies had; the answer's costs are the evaluation's."""
    chosen = in_networks(count=2, repeats=2, rule="one_standard_error", networks=[HEAD])
    final = {"": 880_000.0, "head_filters": 870_000.0}
    best, _ = finish_in_networks(tmp_path, chosen, {"": 0.7, "head_filters": 0.7}, macs=final)
    assert best.finalists is not None
    assert [entry.macs for entry in best.finalists.candidates] == [880_000, 880_000, 870_000]
    assert best.changes == HEAD
    own, _ = finish_in_networks(tmp_path / "own", chosen, {"": 0.7, "head_filters": 0.7}, macs={"": 860_000})
    assert (own.changes, own.costs["macs"]) == ({}, 6e5)


def test_a_network_beyond_the_budget_does_not_win(tmp_path: Path) -> None:
    """Where no width of a network is within the budget, its quality is bought."""
    chosen = in_networks(count=2, networks=[HEAD])
    best, _ = finish_in_networks(tmp_path, chosen, {"": 0.6, "head_filters": 0.9}, margin=-0.2)
    assert best.changes == {}


def test_a_network_that_a_cell_does_not_read_is_not_tried(tmp_path: Path) -> None:
    """Expansion changes cells with an inverted residual alone; another cell would be trained twice."""
    chosen = in_networks(count=40, networks=[{"expansion": 2}], network_cells=40)
    _, proposal = finish_in_networks(tmp_path, chosen, {"": 0.6, "expansion": 0.6})
    inverted = [item.key for item in proposal.candidates if not item.network and "inverted_residual" in item.key]
    assert 0 < len(inverted) < len([item for item in proposal.candidates if not item.network])
    assert [item.key for item in proposal.candidates if item.network] == inverted


def test_cells_of_stages_read_what_their_operators_read() -> None:
    """The nodes that join stages carry no operator, and read nothing."""
    reads, network = sections_of(Task.CNN).reads, parameters({}).training.cnn.network
    assert not reads("expansion", network, ["conv_1x1", "stage", "conv_1x1"])
    assert reads("expansion", network, ["conv_1x1", "stage", "inverted_residual"])
    assert reads("expansion", network, ["somebody_else_s"])


def test_an_evaluation_of_another_network_is_refused(tmp_path: Path) -> None:
    """A file of an earlier list of networks is not taken for the present one's."""
    finish_in_networks(tmp_path, in_networks(count=1, networks=[HEAD]), {"": 0.5, "head_filters": 0.6})
    files = sorted((tmp_path / "finalists").glob("evaluations-*.json"))
    with pytest.raises(ArtifactError, match="finalist 1: its evaluation of repeat 1 is of another cell or network"):
        rounds.best(SHRINK, paths(tmp_path), tmp_path / "b.json", in_networks(count=1, networks=[STEM]), files)


@pytest.mark.parametrize(
    ("task", "networks", "message"),
    [
        ("cnn", "[{head_filter: 64}]", "is no key of training.cnn.network; did you mean 'head_filters'?"),
        ("cnn", "[{}]", "networks.0: changes nothing"),
        ("cnn", "[{head_filters: 8}, {head_filters: 8}]", "networks.1: is the same network as search.cnn.finalists"),
        ("cnn", "[{head_filters: 0}]", "networks.0: is the same network as the recipes' own"),
        ("cnn", "[{channel_scale: 2}]", "networks.0.channel_scale: is what scaling to the budget sets"),
        ("cnn", "[{expansion: 2}]", "networks.0.expansion: is read by none of search.cnn.operators"),
        ("cnn", "[{stage_cells: [1, 2]}]", "stage_scales, stage_cells and stage_pools need one entry per stage"),
        ("cnn", "[{stem_filters: many}]", "networks.0.stem_filters: input should be a valid integer, found many"),
        ("cnn", "[{cell_end: project}]", "networks.0: stage_outputs is for cell_end project, which needs it"),
        ("rnn", "[{hidden: 32}]", "networks.0.hidden: is what scaling to the budget sets"),
        ("rnn", "[{embedding: 32}]", "networks.0: tied embeddings need embedding == hidden"),
    ],
)
def test_networks_that_cannot_be_are_one_line_before_anything_runs(task: str, networks: str, message: str) -> None:
    """Each names its place in the list and what is wrong."""
    settings = [f"search.{task}.finalists.networks={networks}", f"search.{task}.objective.budget={{macs: 900000}}"]
    with pytest.raises(ParameterError) as raised:
        load([], settings)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_networks_need_a_budget() -> None:
    """Without one nothing would be equal."""
    with pytest.raises(ParameterError, match=r"search\.cnn\.objective\.budget is null; set a budget"):
        load([], ["search.cnn.finalists.networks=[{head_filters: 64}]"])
