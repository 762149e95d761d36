"""Keys of large cells are equal exactly for isomorphic cells, and at once; keys of small cells never change."""

import hashlib
import itertools
import random
import time

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.cells import canonical
from autoshrink.cells.cell import INPUT, MOST_NODES, Cell, CellError
from tests.unit.cells.test_cell import OPERATORS, cells, exact_form, relabelled

Edges = list[tuple[int, int]]


def renumbered(cell: Cell, seed: int) -> Cell:
    """Return an isomorphic cell: its nodes in another topological order."""
    draws = random.Random(seed)
    ranks = {node: draws.random() for node in cell.nodes} | {0: -1.0}
    return relabelled(cell, list(nx.lexicographical_topological_sort(cell.to_networkx(), key=ranks.__getitem__)))


def searched(cell: Cell) -> tuple[object, ...]:
    """Return the cell in the order that the search for large cells gives, whatever the cell's size."""
    operators = dict(zip(cell.nodes, cell.operators, strict=True))
    sources = {node: set(cell.predecessors(node)) for node in cell.nodes}
    targets = {node: set(cell.successors(node)) for node in cell.nodes}
    order = canonical._Search(operators, sources, targets).order()
    place = {node: position for position, node in enumerate(order)}
    assert order[0] == 0
    assert all(place[source] < place[target] for source, target in cell.edges)
    return tuple(operators[node] for node in order), tuple(sorted((place[i], place[j]) for i, j in cell.edges))


def test_keys_of_small_cells_are_as_they_have_always_been() -> None:
    """Stored evaluations are found by key: those of all cells of up to 5 nodes, and of 300 larger ones, stay."""
    digest = hashlib.sha256()
    for size in range(1, 6):
        pairs = [(i, j) for j in range(size) for i in range(j)]
        for operators in itertools.product(OPERATORS, repeat=size - 1):
            for bits in range(2 ** len(pairs)):
                cell = Cell.of(operators, [pair for index, pair in enumerate(pairs) if bits >> index & 1])
                digest.update(cell.key.encode() + b"\n")
    assert digest.hexdigest() == "4eadccef0d113fdfa5d6fe74c67ac93d166b1d1226cc66e865dd18a60f2aafc1"
    digest, draws = hashlib.sha256(), random.Random(12)
    for _ in range(300):
        size, density = draws.randint(6, 12), draws.random()
        names = [draws.choice(OPERATORS) for _ in range(size - 1)]
        cell = Cell.of(names, [(i, j) for j in range(size) for i in range(j) if draws.random() < density])
        digest.update(cell.key.encode() + b"\n")
    assert digest.hexdigest() == "7018e16ba8c0c09c1c53619c7317b58fe18da4e4743c2dfbafea30e63829ed4d"


def test_the_order_of_large_cells_is_exact_on_every_cell_of_up_to_5_nodes() -> None:
    """By brute force: all 16,933 labelled cells have equal orders exactly when they are isomorphic."""
    form_of: dict[object, object] = {}
    orders = set()
    for size in range(1, 6):
        pairs = [(i, j) for j in range(size) for i in range(j)]
        for operators in itertools.product(OPERATORS, repeat=size - 1):
            for bits in range(2 ** len(pairs)):
                cell = Cell.of(operators, [pair for index, pair in enumerate(pairs) if bits >> index & 1])
                found = searched(cell)
                assert form_of.setdefault(exact_form(size, (INPUT, *operators), cell.edges), found) == found
                orders.add(found)
    assert len(orders) == len(form_of)


@settings(max_examples=300)
@given(cells(most_nodes=14), st.integers(0, 99))
def test_any_renumbering_has_the_same_order(cell: Cell, seed: int) -> None:
    """The search's order does not depend on the numbers of nodes, and the cell in that order is isomorphic."""
    other = renumbered(cell, seed)
    found = searched(cell)
    assert searched(other) == found
    operators, edges = found
    graph = nx.DiGraph(list(edges))  # type: ignore[call-overload]
    graph.add_nodes_from((node, {"operator": name}) for node, name in enumerate(operators))  # type: ignore
    assert nx.is_isomorphic(graph, cell.to_networkx(), node_match=lambda a, b: a["operator"] == b["operator"])


def two_layers(side: int, joined: Edges) -> Cell:
    """Return a cell of one operator: the input feeds ``side`` nodes, which feed as many others as ``joined`` says."""
    first = [(0, 1 + node) for node in range(side)]
    return Cell.of(["relu"] * (2 * side), first + [(1 + i, 1 + side + j) for i, j in joined])


def plane() -> Edges:
    """The points and lines of the projective plane of order 3, 13 each: no counting tells any two of them apart."""
    points = [(1, x, y) for x in range(3) for y in range(3)] + [(0, 1, x) for x in range(3)] + [(0, 0, 1)]
    product = {
        (i, j): sum(a * b for a, b in zip(points[i], points[j], strict=True)) for i in range(13) for j in range(13)
    }
    return [pair for pair, value in product.items() if value % 3 == 0]


def scattered(nodes: int, density: float, operators: int) -> Cell:
    draws = random.Random(nodes)
    names = [f"operator-{draws.randrange(operators)}" for _ in range(nodes - 1)]
    pairs = [(i, j) for j in range(nodes) for i in range(j)]
    return Cell.of(names, [(i, j) for i, j in pairs if draws.random() < density or i == max(0, j - 3)])


LARGE = {
    "complete": Cell.complete(["relu"] * 29),
    "empty": Cell.of(["relu"] * 29, []),
    "star": Cell.of(["relu"] * 29, [(0, node) for node in range(1, 30)]),
    "binary tree": Cell.of(["relu"] * 29, [((node - 1) // 2, node) for node in range(1, 30)]),
    "14 chains": two_layers(14, [(i, i) for i in range(14)]),
    "crown": two_layers(14, [(i, j) for i in range(14) for j in range(14) if i != j]),
    "one ring of 28": two_layers(14, [(i, (i + step) % 14) for i in range(14) for step in (0, 1)]),
    "two rings of 14": two_layers(14, [(i, i // 7 * 7 + (i + step) % 7) for i in range(14) for step in (0, 1)]),
    "two Fano planes": two_layers(14, [(i, i // 7 * 7 + (i + step) % 7) for i in range(14) for step in (0, 1, 3)]),
    "projective plane": two_layers(13, plane()),
    **{
        f"scattered {density} of {operators}": scattered(30, density, operators)
        for density in (0.02, 0.1, 0.3, 0.7, 0.95)
        for operators in (1, 2, 4)
    },
}


@pytest.mark.parametrize("name", LARGE)
def test_a_cell_of_30_nodes_has_its_key_at_once(name: str) -> None:
    """Also the most symmetric cells have their key within a second, and every renumbering has the same one."""
    cell = LARGE[name]
    start = time.process_time()
    key = cell.key
    assert time.process_time() - start < 1
    assert all(renumbered(cell, seed).key == key for seed in range(5))


def test_large_cells_that_counting_cannot_tell_apart_differ() -> None:
    """One ring of 28 nodes and two of 14 look alike from every node; their keys differ."""
    assert LARGE["one ring of 28"].key != LARGE["two rings of 14"].key
    assert len({cell.key for cell in LARGE.values()}) == len(LARGE)


def test_a_search_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound on steps there is one line instead of a wait."""
    monkeypatch.setattr(canonical, "MOST_STEPS", 3)
    with pytest.raises(CellError, match="too symmetric"):
        _ = two_layers(11, [(i, (i + step) % 11) for i in range(11) for step in (0, 1)]).key


def test_a_file_holds_cells_of_a_bounded_size() -> None:
    nodes = [{"id": node, "operator": "relu" if node else INPUT} for node in range(MOST_NODES + 1)]
    with pytest.raises(CellError, match="a cell of 65 nodes; accepted: at most 64"):
        Cell.from_json({"nodes": nodes, "edges": []})
