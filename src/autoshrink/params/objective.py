"""What makes a cell better: accuracy or perplexity, weighed against what its network costs, within hard limits."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from autoshrink.params.base import Section

Weight = Annotated[float, Field(ge=0)]
LIMITS = {
    "macs": "max_macs",
    "parameters": "max_params",
    "latency_ms": "max_latency_ms",
    "memory_bytes": "max_memory_bytes",
    "flash_bytes": "max_flash_bytes",
}
"""The costs that hard limits bound, each with the limit's key."""
QUALITY = "perplexity_weight"
"""The weight that is not of a cost."""


class Budget(Section):
    """What the final network may cost for one example; null: no limit. Every candidate's final network is scaled in
    width until it meets the tightest limit, its proxy network alike, and the score is quality alone."""

    macs: Annotated[int, Field(ge=1)] | None = None
    """Multiply-accumulates, batch norm not counted."""
    parameters: Annotated[int, Field(ge=1)] | None = None
    """Parameters, batch norm not counted."""
    latency_ms: Annotated[float, Field(gt=0)] | None = None
    """Milliseconds on the device that evaluates (median, warmed up)."""
    activation_bytes: Annotated[int, Field(ge=1)] | None = None
    """Peak bytes of input and activations held at once."""

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by the name of the cost they bound."""
        return {name: limit for name, limit in self.model_dump().items() if limit is not None}

    @model_validator(mode="after")
    def _some_limit(self) -> "Budget":
        if not self.limits:
            raise ValueError(f"needs a limit; accepted: {', '.join(Budget.model_fields)}, or null for no budget")
        return self


class Costs(Section):
    """Weights of, and hard limits on, the proxy network's costs. Parameters, MACs and a small device's memory and flash
    are counted, activation memory is traced, latency is measured on the device that evaluates."""

    budget: Budget | None = None
    """What the final network may cost: each candidate is judged by its quality at the width that meets it, and no cost
    is weighed. null: candidates have the widths of ``proxy`` and ``training``, and costs are weighed as follows."""
    parameters_weight: Weight = 0.0
    """Score penalty per tenfold increase in parameters."""
    latency_weight: Weight = 0.0
    """Score penalty per tenfold increase in latency per example."""
    memory_weight: Weight = 0.0
    """Score penalty per tenfold increase in peak activation memory per example."""
    max_macs: Annotated[int, Field(ge=1)] | None = None
    """Hard limit on the proxy network's multiply-accumulates per example; null: no limit."""
    max_params: Annotated[int, Field(ge=1)] | None = None
    """Hard limit on the proxy network's parameters; null: no limit."""
    max_latency_ms: Annotated[float, Field(gt=0)] | None = None
    """Hard limit on the proxy network's latency per example, milliseconds (median after warm-up); null: no limit."""
    max_memory_bytes: Annotated[int, Field(ge=1)] | None = None
    """Hard limit on the input plus output bytes of the proxy network's largest operator, for one example at
    ``device_bits``; null: no limit."""
    max_flash_bytes: Annotated[int, Field(ge=1)] | None = None
    """Hard limit on the bytes of the proxy network's weights (``device_bits`` each) and biases (32 bits each), batch
    norm folded; null: no limit."""
    device_bits: Literal[8, 16, 32] = 8
    """Bits per activation and weight on the device, for ``max_memory_bytes`` and ``max_flash_bytes``."""

    @property
    def limits(self) -> dict[str, float]:
        """The hard limits that are set, by the name of the cost they bound."""
        limits = {name: getattr(self, key) for name, key in LIMITS.items()}
        return {name: limit for name, limit in limits.items() if limit is not None}

    @property
    def needs_measuring(self) -> bool:
        """Whether a cost is weighed or limited that no evaluation counts."""
        return (
            self.needs_latency
            or self.memory_weight > 0
            or self.max_memory_bytes is not None
            or self.max_flash_bytes is not None
        )

    @property
    def needs_latency(self) -> bool:
        """Whether latency must be measured."""
        return self.latency_weight > 0 or self.max_latency_ms is not None

    @model_validator(mode="after")
    def _budget_stands_alone(self) -> "Costs":
        if self.budget is None:
            return self
        weights = [name for name in type(self).model_fields if name.endswith("_weight") and name != QUALITY]
        others = [name for name in (*weights, *LIMITS.values()) if getattr(self, name)]
        if others:
            raise ValueError(
                f"budget contradicts {others[0]} = {getattr(self, others[0])}: within a budget all candidates cost the "
                f"same, and their score is quality alone; remove one of the two"
            )
        return self


class ImageObjective(Costs):
    """score = accuracy - macs_weight * (log10(MACs) - 6), accuracy in [0, 1]; less, where their weights are set,
    parameters_weight * (log10(parameters) - 6), latency_weight * log10(milliseconds), memory_weight * (log10(bytes) -
    6)."""

    macs_weight: Weight | None = None
    """Accuracy given up for a tenfold saving of multiply-accumulates. null: 0.2, or nothing within a budget. The
    paper's 0.1 suits its proxy of 5,000 images and 20 epochs; the default's accuracies are noisier, and the paper's
    weight would drown in that."""

    @property
    def weight_of_macs(self) -> float:
        """``macs_weight``, or what stands for null."""
        return (0.2 if self.budget is None else 0.0) if self.macs_weight is None else self.macs_weight


class LanguageObjective(Costs):
    """score = perplexity_weight * (perplexity_reference - perplexity) - flops_weight * (log10(flops) - 6); less, where
    their weights are set, macs_weight * (log10(MACs) - 6) and the same terms as for images.

    ``flops`` is the paper's count, edges * nhid^2; true MACs per token are reported beside it.
    """

    perplexity_weight: Annotated[float, Field(gt=0)] = 0.25
    """Score per unit of perplexity."""
    perplexity_reference: Annotated[float, Field(gt=0)] = 200.0
    """Perplexity that scores zero, before costs."""
    flops_weight: Weight | None = None
    """Score penalty per tenfold increase in edges. null: 1.0, or nothing within a budget."""
    macs_weight: Weight = 0.0
    """Score penalty per tenfold increase in multiply-accumulates per token."""

    @property
    def weight_of_flops(self) -> float:
        """``flops_weight``, or what stands for null."""
        return (1.0 if self.budget is None else 0.0) if self.flops_weight is None else self.flops_weight
