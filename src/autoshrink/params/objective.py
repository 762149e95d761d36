"""What makes a cell better: accuracy or perplexity, weighed against what its network costs, within hard limits."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from autoshrink.params.base import Section

Weight = Annotated[float, Field(ge=0)]
LIMITS = {
    "macs": "max_macs",
    "parameters": "max_params",
    "latency_ms": "max_latency_ms",
    "memory_bytes": "max_memory_bytes",
    "arena_bytes": "max_arena_bytes",
    "flash_bytes": "max_flash_bytes",
}
"""The costs that hard limits bound from above, each with the limit's key."""
LOWER_LIMITS = {"intensity": "min_intensity"}
"""The costs that hard limits bound from below."""
DEVICE = ("memory_bytes", "arena_bytes", "flash_bytes", "intensity")
"""The costs that are counted as a small device has them, at ``device_bits``."""
QUALITY = "perplexity_weight"
"""The weight that is not of a cost."""


class Limits(Section):
    """What a network may cost for one example; null: no limit."""

    macs: Annotated[int, Field(ge=1)] | None = None
    """Multiply-accumulates, batch norm not counted."""
    parameters: Annotated[int, Field(ge=1)] | None = None
    """Parameters, batch norm not counted."""
    memory_bytes: Annotated[int, Field(ge=1)] | None = None
    """Input plus output bytes of the largest operator, at ``device_bits``."""
    arena_bytes: Annotated[int, Field(ge=1)] | None = None
    """Bytes of all activations held at once, in the order of execution that needs the fewest, at ``device_bits``."""
    flash_bytes: Annotated[int, Field(ge=1)] | None = None
    """Bytes of weights, ``device_bits`` each, and of biases, 32 bits each, batch norm folded."""


class Board(Limits):
    """What a named device, or a challenge, has room for. The runtime and your own program need part of a board's
    memory and flash, which only you know: give lower limits where they matter."""

    about: str = ""
    """What the board is, and where its figures come from."""

    @property
    def limits(self) -> dict[str, int]:
        """The limits that are set, by the name of the cost they bound."""
        return {name: value for name in Limits.model_fields if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _some_limit(self) -> "Board":
        if not self.limits:
            raise ValueError(f"needs a limit; accepted: {', '.join(Limits.model_fields)}")
        return self


KIB = 1024
BOARDS = {
    "visual-wake-words": Board(
        memory_bytes=250_000,
        flash_bytes=250_000,
        macs=60_000_000,
        about="the challenge of 2019, which counts the largest operator (Chowdhery et al., arXiv 1906.05721)",
    ),
    "arduino-nano-33-ble": Board(
        arena_bytes=256 * KIB, flash_bytes=1024 * KIB, about="Nordic nRF52840, also of the Sense: 256 KiB, 1 MiB"
    ),
    "sparkfun-edge": Board(
        arena_bytes=384 * KIB, flash_bytes=1024 * KIB, about="Ambiq Apollo3 Blue: 384 KiB of SRAM, 1 MiB of flash"
    ),
    "raspberry-pi-pico": Board(
        arena_bytes=264 * KIB, flash_bytes=2048 * KIB, about="RP2040: 264 KiB of SRAM, 2 MiB of flash on the board"
    ),
    "stm32f411-nucleo": Board(
        arena_bytes=128 * KIB, flash_bytes=512 * KIB, about="STM32F411RE: 128 KiB of SRAM, 512 KiB of flash"
    ),
    "stm32f746-discovery": Board(
        arena_bytes=320 * KIB, flash_bytes=1024 * KIB, about="STM32F746NG: 320 KiB of SRAM, 1 MiB of flash"
    ),
}
"""Boards that need no entry."""


class Budget(Limits):
    """What the final network may cost for one example; null: no limit. Every candidate's final network is scaled in
    width until it meets the tightest limit, its proxy network alike, and the score is quality alone."""

    latency_ms: Annotated[float, Field(gt=0)] | None = None
    """Milliseconds on the device that evaluates (median, warmed up)."""
    activation_bytes: Annotated[int, Field(ge=1)] | None = None
    """Peak bytes of input and activations held at once by PyTorch."""
    board: str | None = None
    """One of ``boards``: its limits hold too, and of two limits on one cost the lower one. null: no board."""

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by the name of the cost they bound."""
        return {name: limit for name, limit in self.model_dump(exclude={"board"}).items() if limit is not None}

    @model_validator(mode="after")
    def _some_limit(self) -> "Budget":
        if not self.limits and self.board is None:
            raise ValueError(f"needs a limit; accepted: {', '.join(Budget.model_fields)}, or null for no budget")
        return self

    def on(self, board: Board) -> "Budget":
        """Return the budget with a board's limits."""
        tighter = {name: min(limit, self.limits.get(name, limit)) for name, limit in board.limits.items()}
        return self.model_copy(update=tighter)


class Costs(Section):
    """Weights of, and hard limits on, the proxy network's costs. Parameters, MACs and what a small device has of
    memory, flash and intensity are counted, activation memory is traced, latency is measured on the device that
    evaluates."""

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
    max_arena_bytes: Annotated[int, Field(ge=1)] | None = None
    """Hard limit on the bytes of all activations that the proxy network holds at once, in the order of execution that
    needs the fewest, for one example at ``device_bits``; null: no limit."""
    max_flash_bytes: Annotated[int, Field(ge=1)] | None = None
    """Hard limit on the bytes of the proxy network's weights (``device_bits`` each) and biases (32 bits each), batch
    norm folded; null: no limit."""
    min_intensity: Annotated[float, Field(gt=0)] | None = None
    """Hard lower limit on the proxy network's compute intensity: operations (two per MAC) per byte of weights and of
    every operator's inputs and outputs, for one example at ``device_bits``; null: no limit."""
    device_bits: Literal[8, 16, 32] = 8
    """Bits per activation and weight on the device, for all these counts."""

    @property
    def limits(self) -> dict[str, float]:
        """The upper hard limits that are set, by the name of the cost they bound."""
        return self._set(LIMITS)

    @property
    def lower_limits(self) -> dict[str, float]:
        """The lower hard limits that are set, by the name of the cost they bound."""
        return self._set(LOWER_LIMITS)

    @property
    def is_limited(self) -> bool:
        """Whether there is any hard limit."""
        return bool(self.limits or self.lower_limits)

    def _set(self, keys: Mapping[str, str]) -> dict[str, float]:
        limits = {name: getattr(self, key) for name, key in keys.items()}
        return {name: limit for name, limit in limits.items() if limit is not None}

    @property
    def needs_measuring(self) -> bool:
        """Whether a cost is weighed or limited that no evaluation counts."""
        limited = {**self.limits, **self.lower_limits}
        return self.needs_latency or self.memory_weight > 0 or any(name in limited for name in DEVICE)

    @property
    def needs_latency(self) -> bool:
        """Whether latency must be measured."""
        return self.latency_weight > 0 or self.max_latency_ms is not None

    @model_validator(mode="after")
    def _budget_stands_alone(self) -> "Costs":
        if self.budget is None:
            return self
        weights = [name for name in type(self).model_fields if name.endswith("_weight") and name != QUALITY]
        others = [name for name in (*weights, *LIMITS.values(), *LOWER_LIMITS.values()) if getattr(self, name)]
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
