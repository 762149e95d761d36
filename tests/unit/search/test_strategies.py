"""What every strategy promises, and what each does its own way."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.cells.cell import Cell, Edge
from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.params.search import ImageSearch
from autoshrink.params.strategies import BUILT_IN, FireflyStrategy, OutsideStrategy
from autoshrink.records.best import Best
from autoshrink.records.evaluation import Evaluation
from autoshrink.records.proposal import Fidelity
from autoshrink.records.round import RoundState
from autoshrink.search import registry, rounds
from autoshrink.search.draws import Draws
from autoshrink.search.evolution import Population
from autoshrink.search.front import non_dominated
from autoshrink.search.local import Standing
from autoshrink.search.space import (
    Dag,
    PerStage,
    Subgraphs,
    all_edges,
    missing_edges,
    neighbours,
    over,
    random_cell,
    subgraph,
)
from autoshrink.search.strategy import ProposedCell, Scored, State, Strategy
from tests.unit.search.search_runs import DRAWS, by_key, evaluation, fraction, parameters, paths, run

SEARCH = ImageSearch(nodes=5, k=4, keep_fraction=0.1)
OPERATORS = ["separable_conv_3x3", "conv_1x1", "conv_1x1", "separable_conv_3x3"]


def made(name: str, search: ImageSearch = SEARCH) -> Strategy:
    """Return a built-in strategy."""
    return registry.make(search, search.operators, BUILT_IN[name])


def looked_at(candidate: ProposedCell) -> dict[str, float]:
    """Return a made evaluation's metrics at the candidate's fidelity."""
    noise = fraction(f"{candidate.cell.key}/{candidate.fidelity}")
    if candidate.fidelity and candidate.fidelity.zero_cost:
        return {candidate.fidelity.zero_cost: noise}
    return {"accuracy": noise}


def edge_gains(candidate: ProposedCell) -> dict[Edge, float | None]:
    """Return made gains of the missing edges, where the candidate's fidelity asks for them."""
    if candidate.fidelity is None or candidate.fidelity.edge_tuning is None:
        return {}
    return {edge: fraction(f"{candidate.cell.key}/{edge}") - 0.1 for edge in missing_edges(candidate.cell)}


def play(strategy: Strategy, draws: Draws) -> list[list[ProposedCell]]:
    """Run a strategy on made scores, check what all must promise, and return the candidates by round."""
    state, played = strategy.start(draws), []
    for number, slots in enumerate(strategy.slots(), start=1):
        proposed = strategy.propose(state, number, draws)
        assert len(proposed) <= slots
        assert strategy.propose(state, number, draws) == proposed, "a proposal depends on its arguments alone"
        found = []
        for candidate in proposed:
            assert candidate.cell.is_pruned
            metrics, gains = looked_at(candidate), edge_gains(candidate)
            found.append(Scored(candidate, metrics.get("accuracy"), 0.0, metrics, gains))
        selection = strategy.select(state, number, found, draws)
        kept = RoundState.model_validate_json(artifacts.canonical_json(selection.state.record().to_json()))
        assert State.of(kept) == selection.state, "a state is a JSON value"
        if selection.slot is not None:
            assert selection.state.cell == proposed[selection.slot].cell
        state = selection.state
        played.append(list(proposed))
    return played


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_every_strategy_keeps_its_promises(name: str, nodes: int) -> None:
    """Within the plan, repeatable, pruned cells, states that are JSON, and a slot's cell is the one taken."""
    strategy = made(name, ImageSearch(nodes=nodes, k=4, keep_fraction=0.1))
    for seed in range(3):
        play(strategy, Draws(seed, f"cnn/{name}-0", "cnn/seed-0"))


@pytest.mark.parametrize("name", ["random", "evolution", "local"])
def test_baselines_have_the_budget_of_shrinking_and_use_it(name: str) -> None:
    """As many candidates as shrinking may train, each an own kind of cell."""
    strategy = made(name)
    assert list(strategy.slots()) == list(made("shrink").slots())
    played = play(strategy, DRAWS)
    keys = [candidate.cell.key for candidates in played for candidate in candidates]
    assert len(keys) == len(set(keys))
    if name != "local":
        assert [len(candidates) for candidates in played] == list(strategy.slots())


@pytest.mark.parametrize("name", BUILT_IN)
def test_all_candidates_carry_the_operators_drawn_at_the_start(name: str) -> None:
    """Every strategy searches edges alone: a node's operator never changes."""
    strategy = made(name)
    start = strategy.start(DRAWS).cell
    for candidates in play(strategy, DRAWS):
        for candidate in candidates:
            assert all(candidate.cell.operator(node) == start.operator(node) for node in candidate.cell.nodes)


def test_random_cells_are_of_all_sizes() -> None:
    """Edge counts before pruning are uniform, so small and large cells both come up, and none is empty."""
    sizes = [len(random_cell(OPERATORS, DRAWS, f"cell-{number}", ()).edges) for number in range(300)]
    assert min(sizes) == 1
    assert max(sizes) == 10
    assert len(set(sizes)) == 10


@settings(deadline=None, max_examples=50)
@given(st.sets(st.sampled_from(all_edges(OPERATORS))))
def test_a_subgraph_is_the_pruned_cell(edges: set[tuple[int, int]]) -> None:
    """Choosing edges and pruning agree with the cell's own pruning."""
    assert subgraph(OPERATORS, edges) == Cell.of(OPERATORS, edges).pruned()


@settings(deadline=None, max_examples=50)
@given(st.sets(st.sampled_from(all_edges(OPERATORS)), min_size=1))
def test_neighbours_are_one_edge_away_and_mutual_unless_pruned(edges: set[tuple[int, int]]) -> None:
    """A neighbour differs in one edge (and what it cut off), each kind of cell once, and never the cell itself."""
    cell = subgraph(OPERATORS, edges)
    if not cell.edges:
        return
    around = neighbours(Subgraphs(tuple(OPERATORS)), cell)
    assert len({other.key for other in around}) == len(around)
    for other in around:
        assert other.edges and other.key != cell.key
        gained, lost = set(other.edges) - set(cell.edges), set(cell.edges) - set(other.edges)
        assert (len(gained), len(lost)) == (1, 0) or (lost and not gained)
        if len(lost) == 1:
            assert cell.key in {back.key for back in neighbours(Subgraphs(tuple(OPERATORS)), other)}


def test_evolution_breeds_from_the_living_and_the_oldest_die() -> None:
    """The first cells are random; later ones are children one edge from a parent that was alive."""
    strategy = made("evolution")
    state = strategy.start(DRAWS)
    for number in range(1, len(strategy.slots()) + 1):
        memory = Population.model_validate(state.memory)
        alive = [item.cell for item in memory.population]
        proposed = strategy.propose(state, number, DRAWS)
        for slot, candidate in enumerate(proposed):
            if memory.born + slot < 8:
                assert candidate.origin == "at random"
            else:
                assert candidate.cell.key in {
                    near.key for parent in alive for near in neighbours(Subgraphs(OPERATORS_OF), parent)
                }
        scored = [Scored(candidate, fraction(candidate.cell.key)) for candidate in proposed]
        state = strategy.select(state, number, scored, DRAWS).state
        born = [*[cell.key for cell in alive], *[candidate.cell.key for candidate in proposed]]
        living = Population.model_validate(state.memory).population
        assert [item.cell.key for item in living] == born[-8:]


OPERATORS_OF = made("shrink").start(DRAWS).cell.operators[1:]


def test_local_search_climbs_and_starts_anew() -> None:
    """It moves only to something better, until no neighbour is left, and then starts at random again."""
    strategy = made("local", ImageSearch(nodes=4, k=10, keep_fraction=0.0))
    state, best_here, fresh = strategy.start(DRAWS), None, 0
    for number in range(1, len(strategy.slots()) + 1):
        proposed = strategy.propose(state, number, DRAWS)
        anew = proposed[0].origin == "a new start, at random"
        fresh += anew
        scored = [Scored(candidate, fraction(candidate.cell.key)) for candidate in proposed]
        state = strategy.select(state, number, scored, DRAWS).state
        standing = Standing.model_validate(state.memory).here
        assert standing is not None and standing.score is not None
        here = standing.score
        assert anew or best_here is None or here >= best_here
        best_here = here
    assert fresh >= 2


def test_growing_adds_the_edge_that_helps_most() -> None:
    """From the chain to the complete cell, one edge a round; it stops where every addition breaks a limit."""
    strategy = made("grow")
    state = strategy.start(DRAWS)
    assert state.cell.edges == ((0, 1), (1, 2), (2, 3), (3, 4))
    assert list(strategy.slots()) == [1, 4, 4, 4, 3, 2, 1]
    chain = strategy.propose(state, 1, DRAWS)
    state = strategy.select(state, 1, [Scored(chain[0], 0.5)], DRAWS).state
    assert state.cell == chain[0].cell and not state.stopped
    for number in range(2, 8):
        proposed = strategy.propose(state, number, DRAWS)
        scored = [Scored(candidate, float(slot)) for slot, candidate in enumerate(proposed)]
        selection = strategy.select(state, number, scored, DRAWS)
        assert selection.slot == len(proposed) - 1
        assert len(selection.state.cell.edges) == len(state.cell.edges) + 1
        state = selection.state
    assert state.stopped == "the cell is complete"
    over = strategy.select(strategy.start(DRAWS), 2, [Scored(proposed[0], 0.9, violation=0.1)], DRAWS)
    assert (over.slot, over.state.stopped) == (None, "every candidate of round 2 exceeds a limit")


def scored(candidate: ProposedCell, gains: dict[Edge, float | None], violation: float = 0.0) -> list[Scored]:
    """Return a round's only evaluation."""
    return [Scored(candidate, 0.5, violation, {}, gains)]


def test_firefly_adds_the_edges_of_greatest_gain() -> None:
    """One training a round, from the chain on; an edge that is predicted to harm, or to do nothing, is never added."""
    strategy = registry.make(SEARCH, SEARCH.operators, FireflyStrategy(edges_per_round=2, tuning_epochs=3))
    assert list(strategy.slots()) == [1, 1, 1, 1]
    state = strategy.start(DRAWS)
    (chain,) = strategy.propose(state, 1, DRAWS)
    assert chain.cell.edges == ((0, 1), (1, 2), (2, 3), (3, 4)) and chain.fidelity == Fidelity(edge_tuning=3)
    gains = {(0, 2): 0.1, (0, 3): -0.5, (0, 4): 0.0, (1, 3): None, (1, 4): 0.3, (2, 4): 0.2}
    state = strategy.select(state, 1, scored(chain, gains), DRAWS).state
    (second,) = strategy.propose(state, 2, DRAWS)
    assert set(second.cell.edges) - set(chain.cell.edges) == {(1, 4), (2, 4)}
    assert second.origin == "with 1 -> 4, with 2 -> 4"
    selection = strategy.select(state, 2, scored(second, {(0, 2): -0.1, (0, 3): 0.0}), DRAWS)
    assert (selection.slot, selection.state.cell) == (0, second.cell)
    assert selection.state.stopped == "no missing edge is predicted to help"


def test_firefly_passes_over_what_exceeds_a_limit() -> None:
    """The next best edges are tried from the last cell within the limits, and each round still trains one cell."""
    strategy = made("firefly")
    state = strategy.start(DRAWS)
    (chain,) = strategy.propose(state, 1, DRAWS)
    state = strategy.select(state, 1, scored(chain, {(0, 2): 0.1, (1, 4): 0.3}), DRAWS).state
    (dear,) = strategy.propose(state, 2, DRAWS)
    over = strategy.select(state, 2, scored(dear, {(0, 2): 0.1}, violation=0.2), DRAWS)
    assert over.slot is None and over.state.cell == chain.cell
    (cheap,) = strategy.propose(over.state, 3, DRAWS)
    assert set(cheap.cell.edges) - set(chain.cell.edges) == {(0, 2)}
    last = strategy.select(over.state, 3, scored(cheap, {}, violation=0.1), DRAWS).state
    assert last.stopped == "every edge that is predicted to help exceeds a limit"
    assert strategy.propose(last, 4, DRAWS) == []


def firefly_among(dear: set[Edge], options: FireflyStrategy) -> tuple[State, list[list[Edge]]]:
    """Run firefly where cells with an edge of ``dear`` exceed a limit, and return its end and what each round added."""
    strategy = registry.make(SEARCH, SEARCH.operators, options)
    state, added = strategy.start(DRAWS), []
    for number in range(1, len(strategy.slots()) + 1):
        for candidate in strategy.propose(state, number, DRAWS):
            added.append(sorted(set(candidate.cell.edges) - set(state.cell.edges)))
            asked = candidate.fidelity is not None
            gains = {edge: 1 - 0.1 * rank for rank, edge in enumerate(missing_edges(candidate.cell)) if asked}
            violation = float(bool(dear & set(candidate.cell.edges)))
            state = strategy.select(state, number, scored(candidate, dict(gains), violation), DRAWS).state
    return state, added


def test_firefly_tries_an_edge_that_never_fits_once() -> None:
    """Costs only rise with edges; so one round for each missing edge adds all that fit."""
    state, added = firefly_among({(0, 2), (0, 4)}, FireflyStrategy())
    assert added == [[], [(0, 2)], [(0, 3)], [(0, 4)], [(1, 3)], [(1, 4)], [(2, 4)]]
    assert set(all_edges(OPERATORS)) - set(state.cell.edges) == {(0, 2), (0, 4)}
    assert state.stopped == "every missing edge exceeds a limit"


def test_firefly_halves_edges_that_do_not_fit_together() -> None:
    """The one that fits alone is added; where rounds are left, they go to the others."""
    state, added = firefly_among({(0, 3)}, FireflyStrategy(edges_per_round=2, rounds=9))
    assert added == [[], [(0, 2), (0, 3)], [(0, 2)], [(0, 3)], [(0, 4)], [(1, 3)], [(1, 4)], [(2, 4)]]
    assert set(all_edges(OPERATORS)) - set(state.cell.edges) == {(0, 3)}
    state, added = firefly_among({(0, 3)}, FireflyStrategy(edges_per_round=2))
    assert added == [[], [(0, 2), (0, 3)], [(0, 2)], [(0, 3)]]
    assert state.stopped == "all 4 rounds are used"


def test_firefly_stops_at_a_chain_that_exceeds_a_limit() -> None:
    """No addition is blamed."""
    state, added = firefly_among({(0, 1)}, FireflyStrategy())
    assert (added, state.stopped) == ([[]], "the chain exceeds a limit")


def test_firefly_scores_no_edges_in_its_last_round() -> None:
    """What nobody would read is not computed."""
    strategy = registry.make(SEARCH, SEARCH.operators, FireflyStrategy(rounds=1))
    (chain,) = strategy.propose(strategy.start(DRAWS), 1, DRAWS)
    assert (list(strategy.slots()), chain.fidelity) == ([1], None)


def test_halving_trains_fewer_candidates_for_longer() -> None:
    """Each step looks at k for one epoch and trains the better half in full; only that moves the cell."""
    strategy = made("shrink-halving")
    assert list(strategy.slots())[:4] == [4, 2, 4, 2]
    state = strategy.start(DRAWS)
    first = strategy.propose(state, 1, DRAWS)
    assert all(candidate.fidelity == Fidelity(epochs=1) for candidate in first)
    selection = strategy.select(state, 1, [Scored(c, float(s)) for s, c in enumerate(first)], DRAWS)
    assert selection.slot is None and selection.state.cell == state.cell
    second = strategy.propose(selection.state, 2, DRAWS)
    assert [candidate.cell for candidate in second] == [first[3].cell, first[2].cell]
    assert all(candidate.fidelity is None for candidate in second)
    moved = strategy.select(selection.state, 2, [Scored(second[0], 0.1), Scored(second[1], 0.2)], DRAWS)
    assert moved.slot == 1 and moved.state.cell == first[2].cell


def test_preranking_looks_at_the_whole_space_and_trains_the_first() -> None:
    """Every edge is ranked untrained, half of k is trained: half of what the paper's strategy trains."""
    strategy = made("shrink-naswot")
    assert list(strategy.slots())[:2] == [10, 2]
    assert sum(list(strategy.slots())[1::2]) <= sum(made("shrink").slots()) / 2
    state = strategy.start(DRAWS)
    first = strategy.propose(state, 1, DRAWS)
    assert len(first) == 10
    values = [3.0, None, 9.0, 5.0, 1.0, 2.0, 0.0, 4.0, 8.5, 8.0]
    scored = [Scored(c, None, 0.0, {"naswot": value}) for c, value in zip(first, values, strict=True)]
    after = strategy.select(state, 1, scored, DRAWS).state
    second = strategy.propose(after, 2, DRAWS)
    assert [candidate.cell for candidate in second] == [first[2].cell, first[8].cell]


def test_a_staged_search_runs_through_files_and_its_hints_are_no_answers(tmp_path: Path) -> None:
    """Rounds at less than full fidelity select nothing, and the best cell was trained in full."""
    name = rounds.SearchName(Task.CNN, "shrink-halving", 0)
    contents = run(parameters(), name, tmp_path, by_key)
    for content in contents[1:]:
        if any(item.fidelity for item in content.candidates):
            assert content.selected is None
    rounds.best(name, paths(tmp_path), tmp_path / "best.json")
    assert Best.read(tmp_path / "best.json").fidelity is None


def test_an_untrained_look_has_no_score(tmp_path: Path) -> None:
    """What ranks untrained networks is kept as a metric and is never taken for a score."""

    def evaluate(cell: Cell) -> Evaluation:
        made = evaluation(cell.key, accuracy=0.5, epochs=0)
        return made.model_copy(update={"metrics": {**made.metrics, "naswot": fraction(cell.key)}})

    name = rounds.SearchName(Task.CNN, "shrink-naswot", 0)
    contents = run(parameters(), name, tmp_path, evaluate)
    assert all(item.score is None for item in contents[1].candidates)
    assert all(item.score is not None for item in contents[2].candidates)


def test_a_strategy_nobody_offers() -> None:
    """An entry point that no installed package has is an error that says what there is."""
    with pytest.raises(UserError, match=r"no installed package offers the strategy 'magic' .* installed: none is"):
        registry.make(SEARCH, SEARCH.operators, OutsideStrategy(entry_point="magic"))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_the_front_is_what_brute_force_says(points: list[tuple[int, int, int]]) -> None:
    """A point is kept exactly when no other is as good in all and better in one, the first of equals standing for
    all."""
    expected = [
        index
        for index, point in enumerate(points)
        if points.index(point) == index
        and not any(all(a <= b for a, b in zip(q, point, strict=True)) and q != point for q in points)
    ]
    assert non_dominated(points) == expected


@pytest.mark.parametrize(
    "name", ["shrink", "shrink-naswot", "random", "evolution", "local", "metagraph", "progressive"]
)
def test_every_strategy_searches_a_cell_per_stage(name: str) -> None:
    """Three stages of four nodes: numbers say the stage, operators are each stage's own."""
    search = ImageSearch(nodes=4, k=3, keep_fraction=0.2, cells="per_stage")
    strategy = registry.make(search, search.operators, BUILT_IN[name], stages=3)
    played = play(strategy, DRAWS)
    cells = [item.cell for proposed in played for item in proposed]
    assert all(len(cell.stages) == 3 for cell in cells)
    space = Dag(search, search.operators, 3).drawn(DRAWS)
    operators = dict(zip(space.whole().nodes, space.whole().operators, strict=True))
    assert all(cell.operator(node) == operators[node] for cell in cells for node in cell.nodes)
    assert len({cell.key for cell in cells}) > 3


def test_growing_a_cell_per_stage_ends_with_the_complete_ones() -> None:
    """One edge a round, in whichever stage it serves."""
    search = ImageSearch(nodes=3, k=2, cells="per_stage")
    strategy = registry.make(search, search.operators, BUILT_IN["grow"], stages=2)
    played = play(strategy, DRAWS)
    assert [len(proposed[0].cell.wires) for proposed in played] == [4, 5, 6]


def test_a_move_changes_one_stage() -> None:
    """A neighbour differs in one edge of one stage's cell, and none leaves a stage without an edge."""
    space = over(["conv_1x1", "conv_1x1", "stage", "conv_1x1", "separable_conv_3x3"])
    assert isinstance(space, PerStage)
    cell = space.cell({(0, 1): "present", (3, 4): "present", (3, 5): "present"})
    around = neighbours(space, cell)
    assert all(sum(one != other for one, other in zip(cell.stages, found.stages, strict=True)) == 1 for found in around)
    assert all(all(stage.edges for stage in found.stages) for found in around)
    assert {found.key for found in around} >= {space.cell({(0, 1): "present", (3, 5): "present"}).key}
    assert space.baseline().wires == ((0, 1), (1, 2), (3, 4), (4, 5))
