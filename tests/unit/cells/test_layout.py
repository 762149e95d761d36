import itertools

from autoshrink.cells.layout import Layout


def test_every_node_and_arc_lies_inside_the_drawing() -> None:
    """No node and no edge's top leaves the picture, whatever the cell's size."""
    for size in range(1, 13):
        layout = Layout(size)
        for node in range(size):
            x, y = layout.node(node)
            assert 0 < x < layout.width and 0 < y < layout.height
        for source, target in itertools.combinations(range(size), 2):
            curve = layout.edge(source, target)
            top = 0.75 * curve.first[1] + 0.25 * curve.start[1]
            assert 0 < top < layout.height


def test_edges_never_run_through_a_node() -> None:
    """An edge that passes other nodes bends away from their row, so that it is not taken for an edge to them."""
    layout = Layout(8)
    _, row = layout.node(0)
    for source, target in itertools.combinations(range(8), 2):
        bend = abs(layout.edge(source, target).first[1] - row)
        assert (bend == 0) == (target - source == 1)


def test_no_two_edges_are_drawn_on_each_other() -> None:
    """All 28 edges of the complete cell are different curves."""
    layout = Layout(8)
    paths = {layout.edge(source, target).path() for source, target in itertools.combinations(range(8), 2)}
    assert len(paths) == 28
