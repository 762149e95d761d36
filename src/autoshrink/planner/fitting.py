"""The plan that is used: the fastest of those that the rules for shares lead to, and one that fits into memory."""

from autoshrink.errors import UserError
from autoshrink.planner import frontier
from autoshrink.planner.array import Array
from autoshrink.planner.layers import Network
from autoshrink.planner.planning import Division, Method, Planner, Rule, Settings
from autoshrink.planner.timing import Costing

# what a full memory costs, in parts of the step's time: raised until a plan fits
THRIFT = (0.1, 1.0, 10.0, 100.0, 1e4, 1e6)


def best_plan(network: Network, array: Array, settings: Settings, thrift: float = 0.0) -> Division:
    """Return the fastest plan of the method, whether or not it fits into memory.

    Raises UserError where a layer cannot be divided as far as the array needs.
    """
    if settings.shares == "equal":
        return Planner(network, array, settings, Rule.EQUAL, thrift).plan()
    rules = list(Rule)
    if settings.method is Method.DATA:
        rules.remove(Rule.LAYERS)  # an example stays on its device
    if frontier.widest(len(network.layers), network.pairs) > settings.exact_states:
        rules = [rule for rule in rules if rule not in (Rule.SPLIT, Rule.LAYERS)]  # a beam tries no grid of shares
    costing = Costing(network, array, settings)
    found: list[Division] = []
    stuck: UserError | None = None
    for rule in rules:
        try:
            found.append(Planner(network, array, settings, rule, thrift).plan())
        except UserError as error:
            stuck = error
    if not found:
        assert stuck is not None
        raise stuck
    if thrift:
        # the one that fits, else the one nearest to it
        return min(found, key=lambda item: (max(1.0, fullness(costing, item)), costing.parts(item).total))
    return min(found, key=lambda item: costing.parts(item).total)


def fitting_plan(network: Network, array: Array, settings: Settings) -> Division:
    """Return the fastest plan found that fits into every device's memory.

    Raises UserError, in one line, where none does.
    """
    costing = Costing(network, array, settings)
    plan = best_plan(network, array, settings)
    seconds = costing.parts(plan).total / 1e12
    least = plan
    for thrift in THRIFT:
        if fullness(costing, plan) <= 1:
            return plan
        plan = best_plan(network, array, settings, thrift * max(seconds, 1e-9))
        least = min(least, plan, key=lambda item: fullness(costing, item))
    if fullness(costing, plan) <= 1:
        return plan
    tightest = max(costing.memory(least), key=lambda item: item.needed / item.has)
    raise UserError(
        f"{network.name}: no plan fits into memory: by {settings.method} the thriftiest found takes "
        f"{tightest.needed / 1e9:.3g} GB of a {tightest.accelerator} that has {tightest.has / 1e9:.3g}; give a smaller "
        f"batch (now {network.batch}), more devices or another method"
    )


def fullness(costing: Costing, plan: Division) -> float:
    """Return which part of its memory the fullest device needs."""
    return max(item.needed / item.has for item in costing.memory(plan))
