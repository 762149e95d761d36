"""Our language model beside numbers that the authors' released code printed (released_numbers.json says how)."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from autoshrink.cells import released
from autoshrink.params.language import LanguageNetwork
from autoshrink.tasks.language import network, sequences
from autoshrink.tasks.language.network import LanguageModel

RECORDED = json.loads(Path(__file__).with_name("released_numbers.json").read_text())
WIDTH, WORDS, BATCH = 16, 50, 4
TEXT_LB = (torch.arange(141)[:, None] * 7 + torch.arange(BATCH)[None] * 11) ** 2 % (WORDS - 1)


def sine(shape: tuple[int, ...], phase: float, scale: float) -> Tensor:
    """Return weights that both codes can be given: a sine of each one's position."""
    count = math.prod(shape)
    return (scale * torch.sin(torch.arange(count, dtype=torch.float64) * 0.7 + phase)).view(shape)


@pytest.fixture
def model() -> LanguageModel:
    """ShrinkRNN's cell at width 16 in double precision, with the recorded weights."""
    cell = released.load("shrinkrnn").cell
    net = LanguageNetwork(embedding=WIDTH, hidden=WIDTH)
    model = network.build(cell, net, [str(word) for word in range(WORDS)], 1).double()
    model.tie()
    with torch.no_grad():
        w0 = sine((2 * WIDTH, 2 * WIDTH), 1.0, 0.3)
        model.layer.input.weight.copy_(w0[:WIDTH].t())
        model.layer.recurrent.copy_(w0[WIDTH:].t())
        for source, target in cell.edges:
            weight = sine((WIDTH, 2 * WIDTH), 2.0 + source + 0.1 * target, 0.3)
            of_edge(model, source, target, model.layer.edges[str(source)]).copy_(weight.t().view(2, WIDTH, WIDTH))
        model.decoder.bias.copy_(sine((WORDS,), 0.5, 0.1))
        model.embedding.weight.copy_(sine((WORDS, WIDTH), 0.0, 0.5))
    return model


def of_edge(model: LanguageModel, source: int, target: int, tensor: Tensor | None) -> Tensor:
    """Return W_ij's part (2, N, N) of a source's weight or of its gradient, which hold all its edges."""
    assert tensor is not None
    plan = next(item for item in model.layer.plan.sources if item.node == source)
    return tensor.view(2, len(plan.targets), WIDTH, WIDTH)[:, plan.targets.index(target)]


def test_forward_and_gradients_are_the_released_codes(model: LanguageModel) -> None:
    """Loss with AR and TAR, last state and every parameter's gradient agree to double precision."""
    start = model.initial_state(BATCH)
    part = sequences.loss(model, TEXT_LB[:21], start, activation_regularisation=0.5)
    # the recorded loss has TAR's weight 0.25 beside it
    outputs = model.run(TEXT_LB[:20], start)[0]
    loss = part.objective + 0.25 * (outputs[1:] - outputs[:-1]).square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    found = {"loss": loss.item(), "last_state_sum": part.state_BN.sum().item()}
    assert found == pytest.approx({name: RECORDED[name] for name in found}, rel=1e-12)
    gradients = {
        "input": model.layer.input.weight.grad,
        "recurrent": model.layer.recurrent.grad,
        "embedding": model.embedding.weight.grad,
        "bias": model.decoder.bias.grad,
        **{f"{i}-{j}": of_edge(model, i, j, model.layer.edges[str(i)].grad) for i, j in model.layer.cell.edges},
    }
    norms = {name: gradient.norm().item() for name, gradient in gradients.items() if gradient is not None}
    assert norms == pytest.approx(RECORDED["gradients"], rel=1e-10)


def test_an_epoch_loses_what_the_released_codes_does(model: LanguageModel) -> None:
    """Four steps of SGD 20 with clipping and TAR, the state carried: each loss, and the weights after, agree."""
    optimizer = torch.optim.SGD(model.parameters(), lr=20.0)
    state, losses = model.initial_state(BATCH), []
    for first in range(0, len(TEXT_LB) - 1, 35):
        part = sequences.loss(model, TEXT_LB[first : first + 36], state, temporal_activation_regularisation=1e-3)
        optimizer.zero_grad()
        part.objective.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        losses.append(part.cross_entropy.item())
        state = part.state_BN
    assert losses == pytest.approx(RECORDED["epoch_losses"], rel=1e-10)
    with torch.no_grad():
        after = sequences.loss(model, TEXT_LB, model.initial_state(BATCH)).cross_entropy.item()
    assert after == pytest.approx(RECORDED["loss_after"], rel=1e-10)
    norms = {
        "embedding": model.embedding.weight.norm().item(),
        "recurrent": model.layer.recurrent.norm().item(),
        "3-5": model.layer.edge_weight(3, 5).norm().item(),
    }
    assert norms == pytest.approx(RECORDED["weights_after"], rel=1e-10)
