"""A task's topology search: the start, the shrink space's sampling, strategy and stop (paper, section 3)."""

from collections.abc import Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import AfterValidator, Field, JsonValue, model_validator
from pydantic_core import PydanticKnownError

from autoshrink.params.base import Section
from autoshrink.params.objective import Costs, ImageObjective, LanguageObjective

ImageOperator = Literal[
    "separable_conv_3x3",
    "separable_conv_5x5",
    "conv_1x1",
    "conv_3x3",
    "inverted_residual",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
]
GrowingOperator = Literal["separable_conv_3x3", "separable_conv_5x5", "conv_1x1", "conv_3x3"]
GROWING_OPERATORS: tuple[str, ...] = get_args(GrowingOperator)
"""Image operators whose nodes may get further inputs and filters without a change of what they compute."""
Activation = Literal["relu", "sigmoid", "tanh", "identity", "silu", "gelu", "sin"]


MOST_NODES, MOST_STAGES = 64, 16
"""Nodes of a cell, and cells of a network under cells: per_stage; a cell's file takes no more."""
RESERVED = ("input", "stage")
"""What nodes are called that carry no operator."""
OPERATORS = "autoshrink.operators"
"""Entry points of this group are image operators of other packages: ``(in_channels, out_channels, network, *,
linear)`` to a module that maps (B, in, H, W) to (B, out, H, W)."""


@cache
def offered_operators() -> dict[str, EntryPoint]:
    """Return the image operators that installed packages offer, by name; none takes a built-in one's."""
    return {
        entry.name: entry
        for entry in entry_points(group=OPERATORS)
        if entry.name not in (*get_args(ImageOperator), *RESERVED)
    }


def _image_operator(name: str) -> str:
    if name not in get_args(ImageOperator) and name not in offered_operators():
        known = ", ".join(repr(each) for each in (*get_args(ImageOperator), *offered_operators()))
        raise PydanticKnownError(
            "literal_error",
            {"expected": f"{known} or what an installed package offers under the entry point group {OPERATORS}"},
        )
    return name


class Finalists(Section):
    """After the last round: the best cells of all rounds are evaluated again under seeds of their own, which redraw the
    proxy's data, the weights and the order of examples, and the answer is chosen by their mean scores."""

    count: Annotated[int, Field(ge=1)] = 3
    """How many of the best distinct cells of all rounds; all of them where there are fewer."""
    repeats: Annotated[int, Field(ge=1)] = 2
    """Evaluations of each finalist. The one that made it a finalist does not count: it was chosen for being high."""
    recipe: Literal["proxy", "final"] = "proxy"
    """What trains them: ``proxy``, as in the rounds; or ``final``, the final training's recipe on its own data, judged
    on what it holds out, usually shortened by ``epochs``."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Epochs of each of these evaluations; null: as many as the recipe has."""
    rule: Literal["best_mean", "one_standard_error"] = "best_mean"
    """The answer: the best mean score; or, of those within one standard error of it, the one with the fewest MACs."""
    networks: list[dict[str, JsonValue]] = []
    """Networks to try around the best cells, each as keys of ``network`` with other values, such as ``{head_filters:
    64}``. Proxy and final network are changed alike and scaled to the objective's budget, which must be set, so that
    all cost the same; the answer is the best mean of all cells and networks."""
    network_cells: Annotated[int, Field(ge=1)] = 1
    """How many of the finalists, the best first, are evaluated with each of ``networks`` too."""

    @property
    def slots(self) -> int:
        """How many candidates there are at most: cells, and the best of them in other networks."""
        return self.count + min(self.network_cells, self.count) * len(self.networks)

    @model_validator(mode="after")
    def _errors_are_known(self) -> "Finalists":
        if self.rule == "one_standard_error" and self.repeats < 2:
            raise ValueError(
                "rule one_standard_error: one evaluation has no standard error; accepted: repeats of 2 or more"
            )
        return self


class TaskSearch(Section):
    """What the searches of all tasks share."""

    strategy: str = "shrink"
    """Which of ``search.strategies`` proposes and selects candidates; ``shrink`` is the paper's."""
    nodes: Annotated[int, Field(ge=2, le=30)]
    """Nodes of the complete cell, its input included; it has nodes * (nodes - 1) / 2 edges."""
    operator_sampling: Literal["balanced", "uniform"]
    """How operators are assigned at the start: each equally often in random order, or independently per node."""
    k: Annotated[int, Field(ge=1)]
    """Candidates evaluated per round, drawn from the shrink space without replacement."""
    keep_fraction: Annotated[float, Field(ge=0, lt=1)]
    """The search stops at round(keep_fraction * initial edges) edges, over all stages where each has a cell; with
    ``space: topology_and_operators`` a node's operators count as edges, too."""
    finalists: Finalists | None = Finalists()
    """What checks the answer against noise; null: the answer is the cell with the best single score."""
    if TYPE_CHECKING:
        operators: Sequence[str]
        objective: Costs

    @property
    def edges(self) -> int:
        """Edges of the complete cell."""
        return self.nodes * (self.nodes - 1) // 2


class ImageSearch(TaskSearch):
    """The search for a CNN cell."""

    nodes: Annotated[int, Field(ge=2, le=30)] = 5
    operators: Annotated[
        list[Annotated[str, AfterValidator(_image_operator)]],
        Field(
            min_length=1,
            description=f"The operators that nodes carry: {', '.join(get_args(ImageOperator))}, or one that an "
            f"installed package offers (entry points of the group ``{OPERATORS}``).",
        ),
    ] = ["separable_conv_3x3", "conv_1x1"]
    operator_sampling: Literal["balanced", "uniform"] = "balanced"
    cells: Literal["shared", "per_stage"] = "shared"
    """``shared``: all stages have the same cell (the paper's). ``per_stage``: each stage of the network has a cell of
    its own, of as many nodes, and a round changes one of them at a time; edges are counted over all stages."""
    k: Annotated[int, Field(ge=1)] = 4
    keep_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    objective: ImageObjective = ImageObjective()
    """How candidates are scored."""


class LanguageSearch(TaskSearch):
    """The search for an RNN cell."""

    nodes: Annotated[int, Field(ge=2, le=30)] = 5
    operators: Annotated[list[Activation], Field(min_length=1)] = ["relu", "sigmoid", "tanh", "identity"]
    """The activations that nodes carry."""
    operator_sampling: Literal["balanced", "uniform"] = "uniform"
    k: Annotated[int, Field(ge=1)] = 4
    keep_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.25
    objective: LanguageObjective = LanguageObjective()
    """How candidates are scored."""
