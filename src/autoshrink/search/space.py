"""The search space: subgraphs of the complete DAG whose operators were drawn at the start."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from autoshrink.cells.cell import INPUT, Cell, Edge
from autoshrink.params.search import TaskSearch
from autoshrink.search.draws import Draws

# draws of one name before a search takes a cell that it has seen before: small spaces run out of new ones
TRIES = 20


def draw_operators(search: TaskSearch, operators: Sequence[str], draws: Draws) -> list[str]:
    """Return the operators of nodes 1..N-1: each equally often (as near as can be) in random order, or each at random.

    Searches of one seed name draw the same ones, whatever their strategy.
    """
    count = search.nodes - 1
    shared = draws.shared
    if search.operator_sampling == "uniform":
        return [shared.choice(f"operators/node-{node}", operators) for node in range(1, count + 1)]
    # where the count does not divide evenly, chance decides which operators get one node more
    rotation = shared.shuffled("operators/remainder", operators)
    balanced = [rotation[index % len(rotation)] for index in range(count)]
    return shared.shuffled("operators/order", balanced)


def shrinking_slots(search: TaskSearch) -> list[int]:
    """Return min(k, edges left) per round of the paper's strategy: the budget that the others are given too."""
    return [min(search.k, left) for left in range(search.edges, search.threshold, -1)]


def all_edges(operators: Sequence[str]) -> list[Edge]:
    """Return the edges of the complete DAG whose nodes 1..N-1 carry ``operators``, ascending."""
    size = len(operators) + 1
    return [(i, j) for i in range(size) for j in range(i + 1, size)]


def subgraph(operators: Sequence[str], edges: Iterable[Edge]) -> Cell:
    """Return the cell of these edges, less what node 0 does not reach; nodes keep their number."""
    return _subgraph(tuple(operators), tuple(sorted(edges)))


# strategies come by the same cells again and again, and a cell that is kept keeps its key
@lru_cache(maxsize=16384)
def _subgraph(operators: tuple[str, ...], edges: tuple[Edge, ...]) -> Cell:
    reached = {0}
    for source, target in sorted(edges, key=lambda edge: edge[1]):
        if source in reached:
            reached.add(target)
    nodes = tuple(sorted(reached))
    return Cell(
        nodes,
        (INPUT, *(operators[node - 1] for node in nodes[1:])),
        tuple(edge for edge in edges if edge[0] in reached),
    )


def random_cell(operators: Sequence[str], draws: Draws, name: str, seen: Iterable[str]) -> Cell:
    """Return a random cell with at least one edge whose key is not in ``seen`` (unless new ones are hard to come by).

    How many edges are drawn is uniform, and then which: the sizes that shrinking passes through are equally likely.
    """
    edges, known = all_edges(operators), set(seen)
    cell = subgraph(operators, edges)
    for attempt in range(TRIES):
        count = draws.choice(f"{name}/try-{attempt}/count", range(1, len(edges) + 1))
        cell = subgraph(operators, draws.sample(f"{name}/try-{attempt}/edges", edges, count))
        if cell.edges and cell.key not in known:
            return cell
    return cell if cell.edges else subgraph(operators, edges)


def neighbours(cell: Cell, operators: Sequence[str]) -> list[Cell]:
    """Return the cells with one edge more or less, each isomorphism class once and none of the cell's own.

    An edge more may bring back a node that was lost. A cell without any edge is no neighbour.
    """
    kept = set(cell.edges)
    found: dict[str, Cell] = {}
    for edge in all_edges(operators):
        other = subgraph(operators, kept ^ {edge})
        if other.edges and other.key != cell.key:
            found.setdefault(other.key, other)
    return list(found.values())


def change(before: Cell, after: Cell) -> str:
    """Say in a phrase which edges ``after`` has gained and lost."""
    old, new = set(before.edges), set(after.edges)
    gained = [f"with {source} -> {target}" for source, target in sorted(new - old)]
    lost = [f"without {source} -> {target}" for source, target in sorted(old - new)]
    return ", ".join(gained + lost) or "unchanged"
