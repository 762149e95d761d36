"""The cell: invariants under removal and pruning, exact keys, JSON, and errors for what is no cell."""

import itertools
from collections import defaultdict
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoshrink.cells.cell import INPUT, STAGE, Cell, CellError
from autoshrink.errors import ArtifactError

# the same examples every time, and no deadline: the first example pays for imports
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

OPERATORS = ("conv_1x1", "separable_conv_3x3")


@st.composite
def cells(draw: st.DrawFn, most_nodes: int = 8, pruned: bool = False) -> Cell:
    """Draw a cell of up to ``most_nodes`` nodes, each edge there or not."""
    size = draw(st.integers(1, most_nodes))
    operators = [draw(st.sampled_from(OPERATORS)) for _ in range(size - 1)]
    pairs = [(i, j) for j in range(size) for i in range(j)]
    cell = Cell.of(operators, [pair for pair in pairs if draw(st.booleans())])
    return cell.pruned() if pruned else cell


@given(cells())
def test_pruning_keeps_exactly_what_node_0_reaches(cell: Cell) -> None:
    """A pruned cell holds node 0's descendants, their operators and the edges between them, and stays itself."""
    pruned = cell.pruned()
    assert set(pruned.nodes) == {0} | nx.descendants(cell.to_networkx(), 0)
    assert pruned.is_pruned
    assert pruned.pruned() == pruned
    assert all(pruned.operator(node) == cell.operator(node) for node in pruned.nodes)
    assert set(pruned.edges) == {edge for edge in cell.edges if set(edge) <= set(pruned.nodes)}


@given(cells(pruned=True), st.data())
def test_removing_an_edge_keeps_the_invariants(cell: Cell, data: st.DataObject) -> None:
    """Removal takes that edge alone; after pruning, every node but 0 has an input and the cell is smaller."""
    if not cell.edges:
        return
    edge = data.draw(st.sampled_from(cell.edges))
    without = cell.without(edge)
    assert set(without.edges) == set(cell.edges) - {edge}
    assert without.nodes == cell.nodes
    smaller = without.pruned()
    assert set(smaller.edges) < set(cell.edges)
    assert all(smaller.predecessors(node) for node in smaller.nodes[1:])
    assert all(source < target for source, target in smaller.edges)


@given(cells())
def test_leaves_are_the_nodes_without_outgoing_edges(cell: Cell) -> None:
    """Leaves, successors and predecessors agree with networkx."""
    graph = cell.to_networkx()
    assert cell.leaves == tuple(node for node in sorted(graph) if graph.out_degree(node) == 0)
    assert all(cell.successors(node) == tuple(sorted(graph.successors(node))) for node in cell.nodes)
    assert all(cell.predecessors(node) == tuple(sorted(graph.predecessors(node))) for node in cell.nodes)
    assert all(graph.nodes[node]["operator"] == cell.operator(node) for node in cell.nodes)


def relabelled(cell: Cell, order: list[int]) -> Cell:
    """Return the isomorphic cell whose n-th node is ``cell``'s node ``order[n]``, spread over even numbers."""
    number = {node: 2 * index for index, node in enumerate(order)}
    return Cell(
        tuple(sorted(number.values())),
        tuple(cell.operator(node) for node in order),
        tuple(sorted((number[i], number[j]) for i, j in cell.edges)),
    )


@given(cells(), st.randoms(use_true_random=False))
def test_relabelled_cells_have_equal_keys(cell: Cell, random) -> None:  # type: ignore[no-untyped-def]
    """Any renumbering that keeps edges going upwards has the same key and the same canonical cell."""
    graph = cell.to_networkx()
    ranks = {node: random.random() for node in cell.nodes} | {0: -1.0}
    order = list(nx.lexicographical_topological_sort(graph, key=ranks.__getitem__))
    other = relabelled(cell, order)
    assert other.key == cell.key
    assert other.canonical() == cell.canonical()
    assert nx.is_isomorphic(
        graph, cell.canonical().to_networkx(), node_match=lambda a, b: a["operator"] == b["operator"]
    )


def exact_form(size: int, operators: tuple[str, ...], edges: tuple[tuple[int, int], ...]) -> tuple[object, ...]:
    """Return the least of all renamings of a labelled DAG: equal exactly for isomorphic ones, by brute force."""
    forms = []
    for order in itertools.permutations(range(1, size)):
        name = (0, *order)
        renamed = [""] * size
        for node, operator in enumerate(operators):
            renamed[name[node]] = operator
        forms.append((tuple(renamed), tuple(sorted((name[i], name[j]) for i, j in edges))))
    return min(forms)


def test_keys_are_exact_on_every_cell_of_up_to_5_nodes() -> None:
    """Of all 16,933 labelled cells of up to 5 nodes, 2 operators, two share a key exactly when isomorphic."""
    form_of_key: dict[str, set[object]] = defaultdict(set)
    key_of_form: dict[object, set[str]] = defaultdict(set)
    representatives: dict[str, Cell] = {}
    count = 0
    for size in range(1, 6):
        pairs = [(i, j) for j in range(size) for i in range(j)]
        for operators in itertools.product(OPERATORS, repeat=size - 1):
            for bits in range(2 ** len(pairs)):
                edges = tuple(pair for index, pair in enumerate(pairs) if bits >> index & 1)
                cell = Cell.of(operators, edges)
                form = exact_form(size, (INPUT, *operators), cell.edges)
                form_of_key[cell.key].add(form)
                key_of_form[form].add(cell.key)
                representatives.setdefault(cell.key, cell)
                count += 1
    assert count == 1 + 2 * 2 + 4 * 8 + 8 * 64 + 16 * 1024
    assert all(len(forms) == 1 for forms in form_of_key.values()), "two cells that are not isomorphic share a key"
    assert all(len(keys) == 1 for keys in key_of_form.values()), "two isomorphic cells have different keys"

    # and by networkx, an independent exact test: no two representatives of one invariant class are isomorphic
    classes: dict[object, list[nx.DiGraph]] = defaultdict(list)
    for cell in representatives.values():
        degrees = tuple(
            sorted((cell.operator(n), len(cell.predecessors(n)), len(cell.successors(n))) for n in cell.nodes)
        )
        classes[degrees].append(cell.to_networkx())
    same_operator = nx.algorithms.isomorphism.categorical_node_match("operator", None)
    for graphs in classes.values():
        for one, other in itertools.combinations(graphs, 2):
            assert not nx.is_isomorphic(one, other, node_match=same_operator)


def test_golden_keys() -> None:
    """Keys identify evaluations, so a change of theirs must be noticed."""
    assert Cell((0,), (INPUT,), ()).key == ""
    assert Cell.of(["conv_1x1"], [(0, 1)]).key == "conv_1x1(0)"
    released = Cell.of(["separable_conv_3x3"] * 3 + ["conv_1x1"], [(0, 1), (0, 2), (0, 3), (1, 3), (0, 4), (2, 4)])
    assert released.key == "separable_conv_3x3(0);conv_1x1(0,1);separable_conv_3x3(0);separable_conv_3x3(0,3)"
    complete = Cell.complete(["relu", "sigmoid", "tanh", "identity", "relu"])
    assert complete.key == "relu(0);sigmoid(0,1);tanh(0,1,2);identity(0,1,2,3);relu(0,1,2,3,4)"


@given(cells())
def test_json_round_trip(cell: Cell) -> None:
    """What ``to_json`` writes, ``from_json`` reads back as an equal cell."""
    assert Cell.from_json(cell.to_json()) == cell


def test_file_round_trip_and_foreign_files(tmp_path: Path) -> None:
    """A saved cell loads as itself; a file of another kind, or one holding no cell, is refused by name."""
    from autoshrink.files import artifacts

    cell = Cell.complete(["conv_1x1", "separable_conv_3x3"])
    cell.save(tmp_path / "cell.json")
    assert Cell.load(tmp_path / "cell.json") == cell
    artifacts.write_sealed(tmp_path / "round.json", "round", 1, {})
    with pytest.raises(ArtifactError, match=r"round\.json: expected a file of kind 'cell', found 'round'"):
        Cell.load(tmp_path / "round.json")
    cyclic = {"nodes": cell.to_json()["nodes"], "edges": [[0, 1], [1, 2], [2, 1]]}
    artifacts.write_sealed(tmp_path / "cyclic.json", "cell", 1, {"cell": cyclic})
    with pytest.raises(ArtifactError, match=r"cyclic\.json: edge 2 -> 1 goes backwards and could close a cycle"):
        Cell.load(tmp_path / "cyclic.json")


@pytest.mark.parametrize(
    ("nodes", "operators", "edges", "message"),
    [
        ((), (), (), "starts with node 0"),
        ((1,), (INPUT,), (), "starts with node 0"),
        ((0,), ("relu",), (), "starts with node 0"),
        ((0, 1), (INPUT,), (), "2 nodes have 1 operators"),
        ((0, 2, 1), (INPUT, "relu", "relu"), (), "must ascend"),
        ((0, 1, 1), (INPUT, "relu", "relu"), (), "must ascend"),
        ((0, 1), (INPUT, INPUT), (), "only node 0"),
        ((0, 1), (INPUT, "relu"), ((0, 2),), "0 -> 2 touches a node"),
        ((0, 1), (INPUT, "relu"), ((1, 0),), "goes backwards"),
        ((0, 1), (INPUT, "relu"), ((1, 1),), "goes backwards"),
        ((0, 1), (INPUT, "relu"), ((0, 1), (0, 1)), "without repetition"),
    ],
)
def test_what_is_no_cell_is_refused(nodes, operators, edges, message) -> None:  # type: ignore[no-untyped-def]
    """Each broken rule is a CellError of one line that names it."""
    with pytest.raises(CellError, match=message) as caught:
        Cell(nodes, operators, edges)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "cell",
        {},
        {"nodes": [], "edges": None},
        {"nodes": [0, 1], "edges": []},
        {"nodes": [{"id": 0}], "edges": []},
        {"nodes": [{"id": "0", "operator": INPUT}], "edges": []},
        {"nodes": [{"id": False, "operator": INPUT}], "edges": []},
        {"nodes": [{"id": 0, "operator": INPUT}, {"id": 1, "operator": "relu"}], "edges": [[0, 1, 2]]},
        {"nodes": [{"id": 0, "operator": INPUT}, {"id": 1, "operator": "relu"}], "edges": [[0, 1.0]]},
    ],
)
def test_json_that_is_no_cell_is_refused(value: object) -> None:
    """Any other JSON value is a CellError that says what a cell looks like."""
    with pytest.raises(CellError):
        Cell.from_json(value)


def test_removing_an_edge_that_is_not_there() -> None:
    """Removing a missing edge is an error that names it."""
    with pytest.raises(CellError, match="no edge 0 -> 2"):
        Cell.of(["relu", "relu"], [(0, 1), (1, 2)]).without((0, 2))


@given(st.lists(cells(most_nodes=5), min_size=2, max_size=3))
def test_cells_of_stages_are_one_cell_and_come_apart_again(stages: list[Cell]) -> None:
    """Joined by the leaves of each; pruned, keyed and written stage by stage."""
    whole = Cell.of_stages(stages)
    assert whole.stages == tuple(stages)
    assert len(whole.wires) == sum(len(stage.edges) for stage in stages)
    assert Cell.from_json(whole.to_json()) == whole
    assert whole.pruned().stages == tuple(stage.pruned() for stage in stages)
    assert whole.canonical().stages == tuple(stage.canonical() for stage in stages)
    assert whole.key.count(f"{STAGE}(") == len(stages) - 1
    spaced = Cell.of_stages(stages, size=7)
    number = spaced.canonical_numbers
    assert sorted((number[source], number[target]) for source, target in spaced.edges) == list(whole.canonical().edges)
    assert spaced.key == whole.key
    assert all(
        node % 7 == 0 for node, operator in zip(spaced.nodes, spaced.operators, strict=True) if operator == STAGE
    )
    for edge in whole.wires:
        assert len(whole.without(edge).wires) == len(whole.wires) - 1


def test_stages_are_joined_by_leaves_alone() -> None:
    """A missing or a further edge between two stages is no cell; nor are more stages or nodes than a file may have."""
    whole = Cell.of_stages([Cell.complete(["conv_1x1", "conv_1x1"])] * 2)
    assert whole.edges == ((0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5))
    with pytest.raises(CellError, match="edge 2 -> 3 is missing"):
        Cell(whole.nodes, whole.operators, tuple(edge for edge in whole.edges if edge != (2, 3)))
    with pytest.raises(CellError, match="edge 1 -> 4 is too many"):
        Cell(whole.nodes, whole.operators, tuple(sorted([*whole.edges, (1, 4)])))
    with pytest.raises(CellError, match="20 stages; accepted: at most 16"):
        Cell.from_json(Cell.of_stages([Cell.complete(["conv_1x1"])] * 20).to_json())
    with pytest.raises(CellError, match="65 nodes; accepted: at most 64"):
        Cell.from_json(Cell.of_stages([Cell.of(["conv_1x1"] * 64, [])] * 2).to_json())
    assert Cell.complete(whole.operators[1:]) == whole
