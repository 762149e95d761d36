"""The order of execution that needs the least memory."""

from itertools import permutations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from autoshrink.costs.dataflow import Dataflow, Operator, trace
from autoshrink.costs.execution import least


@st.composite
def dataflows(draw: st.DrawFn) -> Dataflow:
    """Make a network of up to six operators; each reads some of what is there and writes one tensor."""
    count = draw(st.integers(1, 6))
    sizes = tuple(draw(st.integers(1, 20)) for _ in range(count + 1))
    operators = []
    for index in range(count):
        reads = draw(st.sets(st.integers(0, index), min_size=1))
        operators.append(Operator(frozenset(reads), frozenset([index + 1])))
    outputs = draw(st.sets(st.integers(1, count), min_size=1))
    return Dataflow(sizes, tuple(operators), frozenset([0]), frozenset(outputs))


def need(flow: Dataflow, order: tuple[int, ...]) -> int | None:
    """Return what an order needs, by playing it; None where an operator runs before what it reads is there."""
    alive, most = set(flow.inputs), flow.elements(flow.inputs)
    for place, index in enumerate(order):
        operator = flow.operators[index]
        if not operator.reads <= alive:
            return None
        alive |= operator.writes
        most = max(most, flow.elements(frozenset(alive)))
        later = {tensor for other in order[place + 1 :] for tensor in flow.operators[other].reads}
        alive = {tensor for tensor in alive if tensor in later | flow.outputs | (flow.inputs - used(flow))}
    return most


def used(flow: Dataflow) -> frozenset[int]:
    """Return what some operator reads."""
    return frozenset(tensor for operator in flow.operators for tensor in operator.reads)


@given(dataflows())
def test_no_order_needs_less(flow: Dataflow) -> None:
    """Against all orders: the least is found, by an order that can be run and needs just that."""
    found = least(flow)
    needs = [value for order in permutations(range(len(flow.operators))) if (value := need(flow, order)) is not None]
    assert found.exact
    assert found.elements == min(needs) == need(flow, found.order)


@given(dataflows())
def test_an_inexact_answer_says_so_and_can_be_run(flow: Dataflow) -> None:
    """Where too many sets of operators would have to be looked at, a real order's need is given, never as exact."""
    found = least(flow, most_states=0)
    assert found.elements == need(flow, found.order)
    assert found.elements >= least(flow).elements
    if not found.exact:
        return
    assert found.elements == least(flow).elements


def test_fused_operators_and_stacks_hold_nothing_of_their_own() -> None:
    """Batch norm, activation and padding write where they read, unless that is needed; a stack is its parts."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)

        def forward(self, x):  # type: ignore[no-untyped-def]
            y = torch.relu(self.norm(self.first(nn.functional.pad(x, (1, 1, 1, 1)))))
            return torch.stack([y, y.sigmoid()]).sum(0)

    flow = trace(Net(), [torch.zeros(1, 1, 2, 2)])
    assert [(flow.elements(item.reads), flow.elements(item.writes)) for item in flow.operators] == [
        (4, 32),
        (32, 32),
        (64, 32),
    ]
    assert least(flow).elements == 96


def test_adding_in_place_needs_what_adding_needs() -> None:
    """``o += r`` holds both terms and their sum, as ``o = o + r`` does: a runtime has one addition for both."""

    class Sum(nn.Module):
        def __init__(self, *, in_place: bool) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)
            self._in_place = in_place

        def forward(self, x):  # type: ignore[no-untyped-def]
            o, r = self.first(x), self.second(x)
            if self._in_place:
                o += r
                return o
            return o + r

    flows = [trace(Sum(in_place=chosen), [torch.zeros(1, 1, 4, 4)]) for chosen in (True, False)]
    assert flows[0] == flows[1]
