"""The topology search: the start, the shrink space's sampling, the objective and the stop (paper, section 3)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from autoshrink.params.base import Section

ImageOperator = Literal["separable_conv_3x3", "conv_1x1", "conv_3x3"]
Activation = Literal["relu", "sigmoid", "tanh", "identity"]


class ImageObjective(Section):
    """score = accuracy - macs_weight * (log10(MACs) - 6), accuracy in [0, 1]."""

    macs_weight: Annotated[float, Field(ge=0)] = 0.1
    """Accuracy given up for a tenfold saving of multiply-accumulates."""


class LanguageObjective(Section):
    """score = perplexity_weight * (perplexity_reference - perplexity) - flops_weight * (log10(flops) - 6).

    ``flops`` is the paper's count, edges * nhid^2; true MACs per token are reported beside it.
    """

    perplexity_weight: Annotated[float, Field(gt=0)] = 0.25
    """Score per unit of perplexity."""
    perplexity_reference: Annotated[float, Field(gt=0)] = 200.0
    """The perplexity that scores nothing."""
    flops_weight: Annotated[float, Field(ge=0)] = 1.0
    """Score given up for ten times the edges."""


class TaskSearch(Section):
    """What both searches share."""

    strategy: Literal["shrink"] = "shrink"
    """How candidates are proposed and selected; ``shrink`` is the paper's."""
    nodes: Annotated[int, Field(ge=2, le=12)]
    """Nodes of the complete cell, its input included; it has nodes * (nodes - 1) / 2 edges."""
    operator_sampling: Literal["balanced", "uniform"]
    """How nodes get their operators, once, at the start: each operator equally often and the order shuffled, or each
    node independently."""
    k: Annotated[int, Field(ge=1)]
    """Candidates evaluated per round, drawn from the shrink space without replacement."""
    keep_fraction: Annotated[float, Field(ge=0, lt=1)]
    """The search stops at round(keep_fraction * initial edges) edges."""

    @property
    def edges(self) -> int:
        """Edges of the complete cell."""
        return self.nodes * (self.nodes - 1) // 2

    @property
    def threshold(self) -> int:
        """Edges at which the search stops."""
        return round(self.keep_fraction * self.edges)

    @model_validator(mode="after")
    def _something_to_shrink(self) -> "TaskSearch":
        if self.threshold >= self.edges:
            raise ValueError(
                f"keep_fraction {self.keep_fraction} keeps {self.threshold} of {self.edges} edges: nothing would shrink; "
                f"accepted: below {1 - 0.5 / self.edges:.3f}, or more nodes"
            )
        return self


class ImageSearch(TaskSearch):
    """The search for a CNN cell."""

    nodes: Annotated[int, Field(ge=2, le=12)] = 5
    operators: Annotated[list[ImageOperator], Field(min_length=1)] = ["separable_conv_3x3", "conv_1x1"]
    """The operators that nodes carry."""
    operator_sampling: Literal["balanced", "uniform"] = "balanced"
    k: Annotated[int, Field(ge=1)] = 4
    keep_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.1
    objective: ImageObjective = ImageObjective()
    """What makes a candidate better."""


class LanguageSearch(TaskSearch):
    """The search for an RNN cell."""

    nodes: Annotated[int, Field(ge=2, le=12)] = 5
    operators: Annotated[list[Activation], Field(min_length=1)] = ["relu", "sigmoid", "tanh", "identity"]
    """The activations that nodes carry."""
    operator_sampling: Literal["balanced", "uniform"] = "uniform"
    k: Annotated[int, Field(ge=1)] = 4
    keep_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.25
    objective: LanguageObjective = LanguageObjective()
    """What makes a candidate better."""


class Search(Section):
    """Both searches, and how a round is spread over jobs."""

    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] = [0]
    """Names of the searches run side by side; each draws its own operators and candidates under the root seed, and
    all share the evaluations' store."""
    slots_per_job: Annotated[int, Field(ge=1)] = 2
    """Candidates that one job trains: 1 spreads a round over a cluster, k trains a round together on one device."""
    cnn: ImageSearch = ImageSearch()
    """The search for a CNN cell."""
    rnn: LanguageSearch = LanguageSearch()
    """The search for an RNN cell."""

    @model_validator(mode="after")
    def _distinct_seeds(self) -> "Search":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ from each other, found {self.seeds}")
        return self
