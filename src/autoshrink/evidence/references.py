"""The networks that a found one is compared with: what each name means, and its width at the found one's cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoshrink.cells import body as bodies
from autoshrink.cells import released
from autoshrink.cells.body import Body, KnownBlock
from autoshrink.cells.cell import STAGE, Cell
from autoshrink.errors import ParameterError, UserError
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Section, Task
from autoshrink.records.reference import ReferenceNetwork
from autoshrink.runtime import seeds
from autoshrink.search.draws import Draws
from autoshrink.search.rounds import SearchName, space_of
from autoshrink.search.space import Space
from autoshrink.tasks import entry_points
from autoshrink.tasks.spec import spec_of


@dataclass(frozen=True)
class Found:
    """What references are measured against: a search's answer and the network around it."""

    name: SearchName
    cell: Cell
    network: Section
    space: Space
    """The cells that the search chose among."""
    skeleton: Section
    """The recipe's own network, from whose widths references are scaled: a network that finalists chose around the
    found cell is the found cell's alone."""


def body_of(parameters: Parameters, found: Found, reference: str) -> Body:
    """Return the body that the name of a reference stands for."""
    if ":" in reference:
        return KnownBlock(reference)
    if reference == "complete":
        return found.space.whole().canonical()
    if reference == "chain":
        return found.space.baseline().canonical()
    if reference.startswith("random-"):
        draws = Draws(parameters.seed, f"{found.name.task}/references", f"{found.name.task}/references")
        return found.space.random(draws, reference, [found.cell.key]).canonical()
    if reference in released.names():
        return released.load(reference).cell.canonical()
    chain = found.space.baseline()
    return spec_of(found.name.task).known_body(reference, len(chain.stages[0].nodes)).canonical()


def scaled(parameters: Parameters, found: Found, reference: str, example: Mapping[str, int]) -> ReferenceNetwork:
    """Return the reference at the found network's cost.

    ``example`` holds the sizes of one example. Where no width is within ``references.TASK.tolerance``, it is at the
    nearest cost that it can have: the verdict says so, and a search is not lost for it. Raises ParameterError where a
    user's own function is not there or makes no module.
    """
    task = found.name.task
    spec = spec_of(task)
    chosen = spec.references(parameters)
    target = spec.count(found.cell, found.network, example)[0][chosen.cost]
    body = body_of(parameters, found, reference)
    network, costs = at_cost(task, body, found.skeleton, example, {chosen.cost: target}, chosen.tolerance)
    is_own = isinstance(body, KnownBlock) and body.is_entry_point
    return ReferenceNetwork(
        task=task,
        search=str(found.name),
        name=reference,
        body=body.to_json(),
        network=network.model_dump(mode="json"),
        learning_rate=1.0,
        cost=chosen.cost,
        target=target,
        costs=costs,
        source=artifacts.digest_of_file(entry_points.source(reference)) if is_own else None,
    )


def at_cost(
    task: Task,
    body: Body,
    network: Section,
    example: Mapping[str, int],
    targets: Mapping[str, float],
    tolerance: float,
) -> tuple[Section, dict[str, int]]:
    """Return the network's section at which ``body`` has the wanted cost, or the nearest to it, and its costs."""
    from autoshrink.costs import scaling

    spec = spec_of(task)
    nearest: tuple[float, Section, scaling.Scaled] | None = None
    for shape in spec.proportions(network):

        def costs(width: float, shape: Section = shape) -> dict[str, int]:
            return spec.count(body, spec.widened(shape, width), example)[0]

        try:
            found = scaling.scale(costs, targets, spec.widths(shape), tolerance=tolerance)
        except scaling.UnreachableCostError as error:
            found = error.nearest
        away = abs(found.ratio - 1.0)
        if nearest is None or away < nearest[0]:
            nearest = away, shape, found
        if away <= tolerance:
            break
    assert nearest is not None, "a task yields one shape at least"
    _, shape, found = nearest
    return spec.widened(shape, found.width), {name: int(value) for name, value in found.costs.items()}


def check(parameters: Parameters) -> None:
    """Make sure that users' own references are there. Raises ParameterError, one line per mistake."""
    wrong = []
    for task in parameters.tasks:
        for reference in spec_of(task).references(parameters).networks:
            try:
                if ":" in reference:
                    entry_points.function(reference)
            except ParameterError as error:
                wrong.append(f"references.{task}.networks: {error}")
    if wrong:
        raise ParameterError("\n".join(wrong))


def rehearse(parameters: Parameters, task: Task, example: Mapping[str, int], recipe: Any) -> list[str]:
    """Scale each reference to the complete cell's network, before there is a found one; return a line for each.

    A reference that cannot be built, or not be given that cost, shows before anything is trained. Raises
    ParameterError, one line per reference.
    """
    spec = spec_of(task)
    search = spec.search(parameters)
    one = [search.operators[index % len(search.operators)] for index in range(search.nodes - 1)]
    name = SearchName(task, search.strategy, 0)
    space = space_of(parameters, name, Cell.complete([*one, *[STAGE, *one] * (spec.stages(parameters) - 1)]))
    stand_in = Found(name, space.whole(), recipe.network, space, recipe.network)
    told, wrong = [], []
    for reference in spec.references(parameters).networks:
        try:
            made = scaled(parameters, stand_in, reference, example)
        except UserError as error:
            wrong.append(str(error) if str(error).startswith("references.") else f"references.{task}.networks: {error}")
            continue
        cost, away = made.costs[made.cost], made.costs[made.cost] / made.target - 1.0
        tolerance = spec.references(parameters).tolerance
        if abs(away) > tolerance:
            wrong.append(
                f"references.{task}.networks: {reference!r} cannot be scaled to the complete cell's {made.target:,} "
                f"{made.cost} to within {tolerance:.1%}; the nearest it can have is {cost:,}: give it a width that "
                f"counts, raise references.{task}.tolerance, or leave it out"
            )
        else:
            told.append(f"{task}: {reference} can be scaled in width, here to {cost:,} {made.cost}")
    if wrong:
        raise ParameterError("\n".join(wrong))
    return told


def network_of(record: ReferenceNetwork, parameters: Parameters) -> tuple[Body, Any]:
    """Return a reference's body and its network's section."""
    spec = spec_of(record.task)
    kind = type(spec.training(parameters).network)
    return bodies.from_json(dict(record.body)), kind.model_validate(dict(record.network))


def seed_of(parameters: Parameters, repetition: int) -> int:
    """Return the seed of a training: the run's own first, then others derived from it; the same for all networks."""
    return parameters.seed if repetition == 0 else seeds.derive(parameters.seed, f"evidence/{repetition}")


def names(parameters: Parameters, task: Task) -> Sequence[str]:
    """Return the references that the parameters ask for."""
    return spec_of(task).references(parameters).networks
