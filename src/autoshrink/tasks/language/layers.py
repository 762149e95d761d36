"""Recurrent layers in the place of a cell: torch's LSTM and GRU, or a user's own of the same form.

A layer has ``run`` over many time steps, ``advance`` by one in plain operations, and a ``state_width``: its state is
one tensor (B, S), zeros before the first word.

Shapes: T time steps, B batch, X width of the layer's input, N hidden width, S width of the state, G rows of a product.
"""

from typing import cast

import torch
from torch import Tensor, nn

from autoshrink.cells.body import Body, KnownBlock
from autoshrink.errors import ParameterError, UserError, meant
from autoshrink.params.language import REFERENCE_LAYERS
from autoshrink.tasks import entry_points
from autoshrink.tasks.language.cell import RecurrentCell


class Lstm(nn.Module):
    """torch's LSTM (Hochreiter and Schmidhuber 1997); its state is the hidden state and the cell's, side by side."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.layer = nn.LSTM(inputs, width)
        self.width, self.state_width = width, 2 * width

    def run(self, x_TBX: Tensor, state_BS: Tensor, mask_BN: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the outputs and the next state."""
        if mask_BN is not None:
            return _unrolled(self, x_TBX, state_BS, mask_BN)
        hidden, memory = (part.contiguous()[None] for part in torch.split(state_BS, self.width, 1))
        outputs_TBN, (hidden, memory) = self.layer(x_TBX, (hidden, memory))
        return outputs_TBN, torch.cat([hidden[0], memory[0]], 1)

    def advance(self, x_BX: Tensor, state_BS: Tensor, mask_BN: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the output and the next state after one input."""
        hidden_BN, memory_BN = torch.split(state_BS, self.width, 1)
        gates_BG = _projections(self.layer, x_BX, hidden_BN, mask_BN)
        enter, forget, candidate, leave = (gates_BG[0] + gates_BG[1]).chunk(4, 1)
        memory_BN = forget.sigmoid() * memory_BN + enter.sigmoid() * candidate.tanh()
        hidden_BN = leave.sigmoid() * memory_BN.tanh()
        return hidden_BN, torch.cat([hidden_BN, memory_BN], 1)


class Gru(nn.Module):
    """torch's GRU (Cho et al. 2014)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.layer = nn.GRU(inputs, width)
        self.width = self.state_width = width

    def run(self, x_TBX: Tensor, state_BS: Tensor, mask_BN: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the outputs and the next state."""
        if mask_BN is not None:
            return _unrolled(self, x_TBX, state_BS, mask_BN)
        outputs_TBN, hidden = self.layer(x_TBX, state_BS.contiguous()[None])
        return outputs_TBN, hidden[0]

    def advance(self, x_BX: Tensor, state_BS: Tensor, mask_BN: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the output and the next state after one input."""
        from_input, from_state = (part.chunk(3, 1) for part in _projections(self.layer, x_BX, state_BS, mask_BN))
        reset = (from_input[0] + from_state[0]).sigmoid()
        keep = (from_input[1] + from_state[1]).sigmoid()
        candidate = (from_input[2] + reset * from_state[2]).tanh()
        hidden_BN = candidate + keep * (state_BS - candidate)
        return hidden_BN, hidden_BN


class Foreign(nn.Module):
    """A user's own layer, called as torch's LSTM is: ``outputs, state = layer(x, state)``, without a state at first.

    The state is a tensor, or a tuple of tensors, of (layers, B, N) each. Raises ParameterError where it is not.
    """

    def __init__(self, name: str, inputs: int, width: int) -> None:
        super().__init__()
        self.layer = entry_points.module(name, width, inputs=inputs)
        self._name = name
        reference = next(self.layer.parameters(), torch.zeros(()))
        example_TBX = torch.zeros(1, 1, inputs, device=reference.device)
        try:
            outputs, state = self.layer(example_TBX)
            self._single = isinstance(state, Tensor)
            parts = [state] if self._single else list(state)
            self._shapes = [(part.shape[0], part.shape[2]) for part in parts]
        except Exception as error:  # whatever a user's layer raises
            why = " ".join(str(error).split()) or type(error).__name__
            raise ParameterError(
                f"{name}: expected a layer called as torch.nn.LSTM is, outputs, state = layer(x) for x of (1, 1, "
                f"{inputs}); found: {why[:200]}"
            ) from None
        if tuple(outputs.shape) != (1, 1, width):
            raise ParameterError(f"{name}: expected outputs of (1, 1, {width}), found {tuple(outputs.shape)}")
        self.state_width = sum(layers * size for layers, size in self._shapes)

    def run(self, x_TBX: Tensor, state_BS: Tensor, mask_BN: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the outputs and the next state. Raises ParameterError where a mask is given."""
        if mask_BN is not None:
            raise ParameterError(
                f"{self._name}: training.rnn.dropouts.hidden reaches inside a layer, which one's own has no place "
                "for; accepted here: 0"
            )
        batch = len(state_BS)
        sizes = [layers * size for layers, size in self._shapes]
        parts = [
            part.reshape(batch, layers, size).transpose(0, 1).contiguous()
            for part, (layers, size) in zip(torch.split(state_BS, sizes, 1), self._shapes, strict=True)
        ]
        outputs_TBN, state = self.layer(x_TBX, parts[0] if self._single else tuple(parts))
        after = [state] if self._single else list(state)
        return outputs_TBN, torch.cat([part.transpose(0, 1).reshape(batch, -1) for part in after], 1)

    def advance(self, x_BX: Tensor, state_BS: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output and the next state after one input."""
        outputs_TBN, state_BS = self.run(x_BX[None], state_BS, None)
        return outputs_TBN[0], state_BS


Layer = RecurrentCell | Lstm | Gru | Foreign


def make(body: Body, inputs: int, width: int) -> Layer:
    """Return the layer of a body. Raises UserError where no language model has it."""
    if not isinstance(body, KnownBlock):
        return RecurrentCell(body, inputs, width)
    if body.is_entry_point:
        return Foreign(body.name, inputs, width)
    if body.name == "lstm":
        return Lstm(inputs, width)
    if body.name == "gru":
        return Gru(inputs, width)
    raise UserError(
        f"layer {body.name!r}: is none of a language model; accepted: {', '.join(REFERENCE_LAYERS)}"
        f"{meant(body.name, REFERENCE_LAYERS)}"
    )


def _projections(layer: nn.RNNBase, x_BX: Tensor, hidden_BN: Tensor, mask_BN: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return what a layer's matrices make of its input and of its masked hidden state (B, G each)."""
    masked_BN = hidden_BN if mask_BN is None else hidden_BN * mask_BN
    linear = nn.functional.linear
    from_input = linear(x_BX, cast("Tensor", layer.weight_ih_l0), cast("Tensor", layer.bias_ih_l0))
    return from_input, linear(masked_BN, cast("Tensor", layer.weight_hh_l0), cast("Tensor", layer.bias_hh_l0))


def _unrolled(layer: Lstm | Gru, x_TBX: Tensor, state_BS: Tensor, mask_BN: Tensor) -> tuple[Tensor, Tensor]:
    """Return outputs and next state step by step: torch's own layers have no dropout inside the recurrence."""
    outputs = []
    for x_BX in x_TBX:
        output_BN, state_BS = layer.advance(x_BX, state_BS, mask_BN)
        outputs.append(output_BN)
    return torch.stack(outputs), state_BS
