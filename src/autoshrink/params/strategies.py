"""Search strategies with their own knobs; ``search.strategies`` names them, ``search.cnn.strategy`` picks one."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from autoshrink.params.base import Section

Rounds = Annotated[int, Field(ge=1, le=10_000)]
ZeroCost = Literal["naswot", "synflow", "gradient_norm"]


class ShrinkStrategy(Section):
    """Removes the edge that is missed least, for good, round by round (the paper's)."""

    kind: Literal["shrink"] = "shrink"
    edges_per_round: Annotated[int, Field(ge=1)] = 1
    """Edges that a candidate lacks more than the current cell; the paper removes one."""
    exhaustive: bool = False
    """Whether every candidate of the shrink space is evaluated, instead of k (one edge a round only)."""
    k_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """k is multiplied by this after every round, and is at least 1."""

    @model_validator(mode="after")
    def _exhaustive_is_of_single_edges(self) -> "ShrinkStrategy":
        if self.exhaustive and (self.edges_per_round > 1 or self.k_decay < 1):
            raise ValueError(
                "exhaustive goes with edges_per_round: 1 and k_decay: 1.0, since it leaves nothing to draw"
            )
        return self


class HalvingStrategy(Section):
    """Shrinks, training a round's candidates for more and more epochs and fewer and fewer of them (Jamieson and
    Talwalkar 2016, Successive Halving)."""

    kind: Literal["halving"] = "halving"
    epochs: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = [1]
    """Epochs of each stage before the last; the last trains for the proxy's epochs."""
    keep: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the candidates that the next stage trains, rounded up."""

    @model_validator(mode="after")
    def _ascending(self) -> "HalvingStrategy":
        if self.epochs != sorted(set(self.epochs)):
            raise ValueError(f"epochs must ascend, found {self.epochs}")
        return self


class PrerankStrategy(Section):
    """Shrinks, training only those candidates that an untrained network ranks first (Abdelfattah et al. 2021)."""

    kind: Literal["prerank"] = "prerank"
    zero_cost: ZeroCost = "naswot"
    """What ranks: Jacobian-based NASWOT (Mellor et al. 2021), SynFlow (Tanaka et al. 2020), or the gradient's norm. An
    RNN cell takes gradient_norm only."""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Candidates trained a round, as a share of k, rounded down; all of the shrink space is ranked."""


class RandomStrategy(Section):
    """Draws cells at random, no two alike: what every other strategy has to beat (Li and Talwalkar 2019)."""

    kind: Literal["random"] = "random"
    rounds: Rounds | None = None
    """Rounds of k candidates; null: as many rounds and candidates as shrinking has."""


class EvolutionStrategy(Section):
    """Regularised evolution: the best of a few is changed by one edge, the oldest dies (Real et al. 2019)."""

    kind: Literal["evolution"] = "evolution"
    population: Annotated[int, Field(ge=2)] = 8
    """Cells alive; as many are drawn at random first."""
    tournament: Annotated[int, Field(ge=1)] = 4
    """Cells drawn from the population, of which the best becomes a parent."""
    rounds: Rounds | None = None
    """Rounds of k candidates; null: as many rounds and candidates as shrinking has."""

    @model_validator(mode="after")
    def _tournament_fits(self) -> "EvolutionStrategy":
        if self.tournament > self.population:
            raise ValueError(f"tournament {self.tournament} is larger than population {self.population}")
        return self


class LocalStrategy(Section):
    """Local search: moves to a better cell one edge away, and starts anew where there is none (White et al. 2021)."""

    kind: Literal["local"] = "local"
    rounds: Rounds | None = None
    """Rounds of k candidates; null: as many rounds and candidates as shrinking has."""


class GrowStrategy(Section):
    """Shrinking's mirror: starts from a chain and adds the edge that helps most, round by round."""

    kind: Literal["grow"] = "grow"


class OutsideStrategy(Section):
    """A strategy of another installed package, announced under the entry point group ``autoshrink.strategies``."""

    kind: Literal["outside"] = "outside"
    entry_point: str
    """Name of the entry point."""
    options: dict[str, Any] = {}
    """What the strategy wants to be told; it checks this itself."""


AnyStrategy = Annotated[
    ShrinkStrategy
    | HalvingStrategy
    | PrerankStrategy
    | RandomStrategy
    | EvolutionStrategy
    | LocalStrategy
    | GrowStrategy
    | OutsideStrategy,
    Field(discriminator="kind"),
]

# what can be named without being configured
BUILT_IN: dict[str, AnyStrategy] = {
    "shrink": ShrinkStrategy(),
    "shrink-two-edges": ShrinkStrategy(edges_per_round=2),
    "shrink-exhaustive": ShrinkStrategy(exhaustive=True),
    "shrink-decaying": ShrinkStrategy(k_decay=0.8),
    "shrink-halving": HalvingStrategy(),
    "shrink-naswot": PrerankStrategy(zero_cost="naswot"),
    "shrink-synflow": PrerankStrategy(zero_cost="synflow"),
    "shrink-gradient": PrerankStrategy(zero_cost="gradient_norm"),
    "random": RandomStrategy(),
    "evolution": EvolutionStrategy(),
    "local": LocalStrategy(),
    "grow": GrowStrategy(),
}
