"""Search strategies and their parameters; ``search.strategies`` names them, ``search.cnn.strategy`` picks one."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from autoshrink.files.artifacts import Json
from autoshrink.params.base import Section

Rounds = Annotated[int, Field(ge=1, le=10_000)]
ZeroCost = Literal["naswot", "synflow", "gradient_norm"]
SearchSpace = Annotated[
    Literal["topology", "topology_and_operators"],
    Field(
        description="What is searched: the edges of a cell whose nodes' operators are drawn at the start; or edges and "
        "operators, where every node begins as all operators side by side and loses those, too."
    ),
]


class ShrinkStrategy(Section):
    """Remove the least useful edge, round by round (the paper's strategy)."""

    kind: Literal["shrink"] = "shrink"
    space: SearchSpace = "topology"
    edges_per_round: Annotated[int, Field(ge=1)] = 1
    """Edges removed per round; the paper removes one."""
    exhaustive: bool = False
    """Evaluate the whole shrink space instead of k candidates (with ``edges_per_round: 1`` only)."""
    k_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Factor applied to k after every round; k stays at least 1."""

    @model_validator(mode="after")
    def _exhaustive_is_of_single_edges(self) -> "ShrinkStrategy":
        if self.exhaustive and (self.edges_per_round > 1 or self.k_decay < 1):
            raise ValueError(
                "exhaustive goes with edges_per_round: 1 and k_decay: 1.0, since it leaves nothing to draw"
            )
        return self


class HalvingStrategy(Section):
    """Shrink with successive halving: each stage trains fewer candidates for more epochs (Jamieson and
    Talwalkar 2016, Successive Halving)."""

    kind: Literal["halving"] = "halving"
    space: SearchSpace = "topology"
    epochs: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = [1]
    """Epochs of each stage before the last; the last trains for the proxy's epochs."""
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the candidates kept for the next stage, rounded up."""

    @model_validator(mode="after")
    def _ascending(self) -> "HalvingStrategy":
        if self.epochs != sorted(set(self.epochs)):
            raise ValueError(f"epochs must ascend, found {self.epochs}")
        return self


class PrerankStrategy(Section):
    """Shrink, training only the candidates that a zero-cost measure ranks first (Abdelfattah et al. 2021)."""

    kind: Literal["prerank"] = "prerank"
    space: SearchSpace = "topology"
    zero_cost: ZeroCost = "naswot"
    """The measure: Jacobian-based NASWOT (Mellor et al. 2021), SynFlow (Tanaka et al. 2020), or the gradient's norm. An
    RNN cell takes gradient_norm only."""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Candidates trained per round as a share of k, rounded down; the whole shrink space is ranked."""


class RandomStrategy(Section):
    """Sample distinct random cells: the baseline (Li and Talwalkar 2019)."""

    kind: Literal["random"] = "random"
    space: SearchSpace = "topology"
    rounds: Rounds | None = None
    """Rounds of k candidates; null: as many rounds and candidates as shrinking has."""


class EvolutionStrategy(Section):
    """Regularised evolution: mutate a tournament's winner by one edge, retire the oldest cell (Real et al. 2019)."""

    kind: Literal["evolution"] = "evolution"
    space: SearchSpace = "topology"
    population: Annotated[int, Field(ge=2)] = 8
    """Size of the population; its first cells are random."""
    tournament: Annotated[int, Field(ge=1)] = 4
    """Size of a tournament, whose best cell becomes the parent."""
    rounds: Rounds | None = None
    """Rounds of k candidates; null: as many rounds and candidates as shrinking has."""

    @model_validator(mode="after")
    def _tournament_fits(self) -> "EvolutionStrategy":
        if self.tournament > self.population:
            raise ValueError(f"tournament {self.tournament} is larger than population {self.population}")
        return self


class LocalStrategy(Section):
    """Local search: move to a better cell one edge away, restart at a local optimum (White et al. 2021)."""

    kind: Literal["local"] = "local"
    space: SearchSpace = "topology"
    rounds: Rounds | None = None
    """Rounds of k candidates; null: as many rounds and candidates as shrinking has."""


class GrowStrategy(Section):
    """Grow instead of shrink: start from a chain and add the most useful edge, round by round."""

    kind: Literal["grow"] = "grow"


class FireflyStrategy(Section):
    """Grow from a chain, training one cell per round: every missing edge is added without effect and scored by its
    gradient, and the best are kept (Wu et al. 2020, Firefly descent)."""

    kind: Literal["firefly"] = "firefly"
    rounds: Rounds | None = None
    """Trainings at most; null: until the cell is complete, if no addition exceeds a limit."""
    edges_per_round: Annotated[int, Field(ge=1)] = 1
    """Edges added per round, at most; none that is predicted to harm. Halved where they exceed a limit together."""
    tuning_epochs: Annotated[int, Field(ge=1)] = 1
    """Passes over the proxy's training images that tune the weights of all missing edges before they are scored."""


class MetaGraphStrategy(Section):
    """Samples cells from a graph whose edges gain weight with good samples, then prunes it: a reconstruction after GRAM
    and MSNAS (Cheng et al. 2019). Theirs has a graph per stage: ``cnn.cells: per_stage``."""

    kind: Literal["metagraph"] = "metagraph"
    rounds: Rounds | None = None
    """Rounds of k candidates; null: as many rounds and candidates as shrinking has."""
    rate: Annotated[float, Field(gt=0)] = 0.5
    """What a score as far from the baseline as the best so far is from the worst adds to its edges' logarithms."""
    initial: Annotated[float, Field(gt=0.02, lt=0.98)] = 0.5
    """Every edge's first weight."""
    edge_probability: Literal["weight", "softmax"] = "weight"
    """How a weight becomes a chance: it is one, or a softmax over the edges of the same source. Sources disagree."""
    cutoffs: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(max_length=20)] = [0.5, 0.25]
    """Shares of the edges that the pruned graph keeps, the heaviest; each is one of the search's candidates."""


class ProgressiveStrategy(Section):
    """A learned policy changes the best networks one or two edges at a time, and counts what it proposes before it
    trains it: a reconstruction after EPNAS and RENA (Zhou et al. 2018, 2019)."""

    kind: Literal["progressive"] = "progressive"
    rounds: Rounds | None = None
    """Rounds of k trained candidates; null: as many rounds and candidates as shrinking has."""
    parents: Annotated[int, Field(ge=1)] = 4
    """Networks that get children: the best so far."""
    children: Annotated[int, Field(ge=1)] = 6
    """Children per parent and round, of which the k most promising within all limits are trained."""
    predictor: Literal["policy", "ridge"] = "policy"
    """What ranks unseen children: the policy's own probability, or a ridge regression on the networks trained so far,
    as PNAS has a separate predictor."""
    penalty: Literal["product", "hinge"] = "product"
    """How excesses over several limits lower a reward: product_base to the power of each, or hinge_weight times each.
    Sources disagree."""
    product_base: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """A reward keeps this share where a cost is twice its limit (penalty: product)."""
    hinge_weight: Annotated[float, Field(gt=0)] = 1.0
    """What a cost of twice its limit takes off a reward between 0 and 1 (penalty: hinge)."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.5
    """Step of the policy's weights per unit of reward above its moving mean."""
    second_change: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Chance that a child differs from its parent in two changes rather than one."""


class OutsideStrategy(Section):
    """A strategy from another installed package, registered under the entry point group ``autoshrink.strategies``."""

    kind: Literal["outside"] = "outside"
    entry_point: str
    """Name of the entry point."""
    options: Json = {}
    """Passed to the strategy, which validates them."""


AnyStrategy = Annotated[
    ShrinkStrategy
    | HalvingStrategy
    | PrerankStrategy
    | RandomStrategy
    | EvolutionStrategy
    | LocalStrategy
    | GrowStrategy
    | FireflyStrategy
    | MetaGraphStrategy
    | ProgressiveStrategy
    | OutsideStrategy,
    Field(discriminator="kind"),
]

# what can be named without being configured
BUILT_IN: dict[str, AnyStrategy] = {
    "shrink": ShrinkStrategy(),
    "shrink-operators": ShrinkStrategy(space="topology_and_operators"),
    "shrink-two-edges": ShrinkStrategy(edges_per_round=2),
    "shrink-exhaustive": ShrinkStrategy(exhaustive=True),
    "shrink-decaying": ShrinkStrategy(k_decay=0.8),
    "shrink-halving": HalvingStrategy(),
    "shrink-naswot": PrerankStrategy(zero_cost="naswot"),
    "shrink-synflow": PrerankStrategy(zero_cost="synflow"),
    "shrink-gradient": PrerankStrategy(zero_cost="gradient_norm"),
    "random": RandomStrategy(),
    "random-operators": RandomStrategy(space="topology_and_operators"),
    "evolution": EvolutionStrategy(),
    "local": LocalStrategy(),
    "grow": GrowStrategy(),
    "firefly": FireflyStrategy(),
    "metagraph": MetaGraphStrategy(),
    "progressive": ProgressiveStrategy(),
}
