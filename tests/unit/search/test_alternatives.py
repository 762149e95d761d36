"""Cells whose positions hold several operators side by side: the space, and the searches in it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.cells.cell import Cell
from autoshrink.errors import ParameterError, UserError
from autoshrink.evidence import references
from autoshrink.evidence.references import Found
from autoshrink.params import load
from autoshrink.params.base import Task
from autoshrink.params.strategies import BUILT_IN, ShrinkStrategy
from autoshrink.records.best import Best
from autoshrink.search import registry, rounds
from autoshrink.search.choices import Choices
from autoshrink.search.draws import Draws
from autoshrink.search.shrink import shrink_space
from autoshrink.search.space import Alternatives, neighbours
from autoshrink.tasks.spec import spec_of
from tests.unit.search.search_runs import by_key, parameters, paths, run, text_by_key

OPERATORS = ("separable_conv_3x3", "conv_1x1", "max_pool_3x3")
spaces = st.builds(Alternatives, st.integers(1, 4), st.integers(1, 3).map(lambda count: OPERATORS[:count]))
numbers = st.integers(0, 10_000)


def drawn(space: Alternatives, number: int) -> Cell:
    """Return a random cell of the space."""
    return space.random(Draws(number, "a", "a"), "cell", ())


def by_position(space: Alternatives, cell: Cell) -> dict[int, list[int]]:
    """Return the nodes of each position that the cell has."""
    found: dict[int, list[int]] = {}
    for node in cell.nodes[1:]:
        found.setdefault((node - 1) // len(space.operators), []).append(node)
    return found


def check(space: Alternatives, cell: Cell) -> None:
    """Make sure that the cell is one of the space, and valid."""
    assert cell.is_pruned
    assert space.cell(space.chosen(cell)) == cell
    for nodes in by_position(space, cell).values():
        operators = [cell.operator(node) for node in nodes]
        assert len(set(operators)) == len(operators) >= 1
        assert len({cell.predecessors(node) for node in nodes}) == 1
        assert len({cell.successors(node) for node in nodes}) == 1


@settings(deadline=None, max_examples=60)
@given(spaces, numbers)
def test_every_move_makes_a_cell_of_the_space(space: Alternatives, number: int) -> None:
    """Alternatives of a position read and feed the same nodes, before and after; each move changes what is held."""
    cell = drawn(space, number)
    check(space, cell)
    around = neighbours(space, cell)
    for other in around:
        check(space, other)
    assert len({other.key for other in around} | {cell.key}) == len(around) + 1


@settings(deadline=None, max_examples=60)
@given(spaces, numbers)
def test_shrinking_takes_one_edge_or_one_alternative(space: Alternatives, number: int) -> None:
    """Each candidate holds less, an alternative leaves one behind, and what fell are edges of the cell."""
    cell = drawn(space, number)
    held = space.chosen(cell)
    candidates = shrink_space(space, cell)
    assert len({candidate.origin for candidate in candidates}) == len(candidates)
    for candidate in candidates:
        check(space, candidate.cell)
        left = space.chosen(candidate.cell)
        assert left.keys() < held.keys()
        assert set(candidate.removed) == set(cell.edges) - set(candidate.cell.edges) != set()
        if " at " in candidate.origin:
            assert len(left) == len(held) - 1
            assert by_position(space, candidate.cell).keys() == by_position(space, cell).keys()


@settings(deadline=None, max_examples=30)
@given(spaces, numbers)
def test_a_removed_place_can_come_back(space: Alternatives, number: int) -> None:
    """Moves that lose nothing else are undone by a move."""
    cell = drawn(space, number)
    for candidate in shrink_space(space, cell):
        lost = len(space.chosen(cell)) - len(space.chosen(candidate.cell))
        if lost == 1 and candidate.cell.edges:
            assert cell.key in {other.key for other in neighbours(space, candidate.cell)}


def test_the_whole_cell_has_every_operator_everywhere() -> None:
    """Two positions of three operators: 3 edges between positions are 3 + 3 + 9 of the cell."""
    space = Alternatives(2, OPERATORS)
    whole = space.whole()
    assert space.size == 3 + 6 == len(space.places)
    assert whole.operators[1:] == OPERATORS * 2
    assert len(whole.edges) == 3 + 3 + 9
    assert space.baseline().key == "separable_conv_3x3(0);conv_1x1(1)"
    assert Alternatives(4, OPERATORS[:1]).whole() == Cell.complete(OPERATORS[:1] * 4)


def names(spaces: Sequence[str]) -> list[str]:
    """Return built-in strategies with their kind in the space of operators."""
    return [f"{kind}-both" for kind in spaces]


@pytest.mark.parametrize(
    ("task", "strategy"),
    [("cnn", "shrink-operators"), ("rnn", "shrink-operators"), ("cnn", "random-operators")]
    + [("cnn", name) for name in names(["evolution", "local", "halving", "shrink-two"])],
)
def test_searches_run_to_an_answer_in_the_space(task: str, strategy: str, tmp_path: Path) -> None:
    """Through their files, by made evaluations; shrinking begins with all operators and ends at the threshold."""
    both = "topology_and_operators"
    chosen = parameters(
        {
            "search": {
                "cnn": {"nodes": 4, "k": 3, "keep_fraction": 0.3},
                "rnn": {"nodes": 4, "k": 3, "operators": ["tanh", "relu"]},
                "strategies": {
                    "evolution-both": {"kind": "evolution", "space": both, "population": 4},
                    "local-both": {"kind": "local", "space": both},
                    "halving-both": {"kind": "halving", "space": both},
                    "shrink-two-both": {"kind": "shrink", "space": both, "edges_per_round": 2},
                },
            }
        }
    )
    name = rounds.SearchName(Task(task), strategy, 0)
    contents = run(chosen, name, tmp_path, by_key if task == "cnn" else text_by_key)
    section = rounds.section_of(chosen, name.task)
    space = rounds.space_of(chosen, name, contents[0].state.cell)
    assert isinstance(space, Alternatives)
    for content in contents[1:]:
        for item in content.candidates:
            check(space, item.cell)
    if "shrink" in strategy or "halving" in strategy:
        assert contents[0].state.cell == space.whole()
        assert "edges and operators are left, the threshold is" in (contents[-1].state.stopped or "")
        assert len(space.chosen(contents[-1].state.cell)) <= round(section.keep_fraction * space.size)
    rounds.best(name, paths(tmp_path), tmp_path / "best.json")
    check(space, Best.read(tmp_path / "best.json").cell)


@pytest.mark.parametrize("task", list(Task))
def test_networks_of_whole_cells_can_be_built(task: Task) -> None:
    """For images and for text, and their cost is that of the nodes side by side."""
    chosen = load([])
    spec = spec_of(task)
    section = spec.search(chosen)
    whole = Alternatives(3, tuple(section.operators)).whole().canonical()
    example = {"channels": 3, "height": 16, "width": 16, "classes": 5, "vocabulary": 50}
    network = spec.training(chosen).network
    one = spec.count(Cell.complete([section.operators[0]] * 3), network, example)[0]
    assert spec.count(whole, network, example)[0]["parameters"] > one["parameters"]


def test_references_are_cells_of_the_space() -> None:
    """The complete reference has all operators, random ones some; a chain has one operator per position."""
    chosen = load([], ["search.cnn.strategy=shrink-operators"])
    space = Alternatives(4, ("separable_conv_3x3", "conv_1x1"))
    network = chosen.training.cnn.network
    name = rounds.SearchName(Task.CNN, "shrink-operators", 0)
    assert rounds.space_of(chosen, name, space.whole()) == space
    found = Found(name, space.baseline(), network, space, network)
    assert references.body_of(chosen, found, "complete") == space.whole().canonical()
    assert len(references.body_of(chosen, found, "random-0").key) > 0
    assert references.body_of(chosen, found, "random-0") != references.body_of(chosen, found, "random-1")


def test_more_nodes_than_a_cell_may_have_are_one_line() -> None:
    """Before anything runs, and only for a strategy that is used."""
    settings = ["search.cnn.nodes=25", "search.cnn.operators=[conv_1x1, conv_3x3, skip_connect]"]
    load([], settings)
    with pytest.raises(ParameterError, match=r"begins with every operator at every node: 73 nodes for 25 of") as raised:
        load([], [*settings, "search.cnn.strategy=shrink-operators"])
    assert "\n" not in str(raised.value)


def test_a_tables_own_space_has_no_alternatives() -> None:
    """Its places hold operators already: asking for both is an error that says what is accepted."""
    section = load([]).search.cnn
    own = Choices(((0, 1),), ("none", "conv"))
    with pytest.raises(UserError, match=r"searches cells, not a table's own space; accepted: space: topology"):
        registry.make(section, section.operators, BUILT_IN["shrink-operators"], own)
    assert registry.make(section, section.operators, ShrinkStrategy(), own)
