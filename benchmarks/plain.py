"""The plain eager loops that the engine is measured against: written as most people would, on purpose.

One candidate after another, torch's default threads, images as float32 in the default memory format behind a
``DataLoader``, torch's default optimizers, one Python operation per edge and time step. They draw the same initial
weights and the same batches as the engine and keep the same rules, so their numbers must agree with its.

Shapes: B batch, C channels, H height, W width, T time steps, N hidden width, V vocabulary, L length of a column.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from autoshrink.cells.cell import Cell
from autoshrink.params.language import LanguageProxy
from autoshrink.params.vision import ImageProxy
from autoshrink.runtime import seeds
from autoshrink.tasks.language import early_stop as language_stop
from autoshrink.tasks.language import schedule, sequences
from autoshrink.tasks.language.cell import RecurrentCell
from autoshrink.tasks.language.network import LanguageModel
from autoshrink.tasks.language.network import build as build_language_model
from autoshrink.tasks.language.proxy import ProxyData as TextData
from autoshrink.tasks.vision import early_stop, network
from autoshrink.tasks.vision.proxy import ProxyData as ImageData
from autoshrink.training.history import finite

History = list[dict[str, Any]]
Told = Callable[[dict[str, Any]], None]

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "identity": lambda x: x,
}


@dataclass
class MovingAverage:
    """An exponential moving average that starts at its first value: from zero, it would be far too small at first."""

    momentum: float
    value: float | None = None

    def update(self, value: float) -> float:
        """Take in the next value and return the average."""
        self.value = value if self.value is None else self.momentum * self.value + (1 - self.momentum) * value
        return self.value


def train_images(
    cell: Cell, proxy: ImageProxy, data: ImageData, seed: int, device: torch.device, tell: Told = lambda _: None
) -> History:
    """Train one CNN candidate and return its history; ``tell`` hears of every epoch."""
    recipe, rules = proxy.training, proxy.early_stop
    model = network.build(cell, proxy.network, data.train_images_NHWC.shape[-1], data.classes, seed).to(device)
    optimizer = torch.optim.Adam(network.decay_groups(model, recipe.weight_decay), lr=recipe.learning_rate)
    training = TensorDataset(_floats(data.train_images_NHWC, data), data.train_labels_N.cpu())
    validation = TensorDataset(_floats(data.validation_images_NHWC, data), data.validation_labels_N.cpu())
    history: History = []
    for epoch in range(recipe.epochs):
        loss_average, accuracy_average = (MovingAverage(rules.moving_momentum) for _ in range(2))
        order = torch.randperm(len(training), generator=seeds.torch_generator(seed, f"epoch/{epoch}/order"))
        model.train()
        steps = 0
        for x_BCHW, labels_B in DataLoader(training, recipe.batch_size, sampler=order.tolist(), drop_last=True):
            x_BCHW, labels_B = x_BCHW.to(device), labels_B.to(device)
            logits_BK = model(x_BCHW)
            loss = functional.cross_entropy(logits_BK, labels_B)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps += 1
            loss_average.update(loss.item())
            accuracy = accuracy_average.update((logits_BK.argmax(1) == labels_B).float().mean().item())
            if accuracy > rules.train_accuracy_ceiling or not math.isfinite(loss.item()):
                break
        model.eval()
        total, correct = 0.0, 0
        with torch.no_grad():
            for x_BCHW, labels_B in DataLoader(validation, recipe.batch_size):
                x_BCHW, labels_B = x_BCHW.to(device), labels_B.to(device)
                logits_BK = model(x_BCHW)
                total += functional.cross_entropy(logits_BK, labels_B, reduction="sum").item()
                correct += int((logits_BK.argmax(1) == labels_B).sum())
        record = {
            "epoch": epoch,
            "steps": steps,
            "train_loss": loss_average.value,
            "train_accuracy": accuracy_average.value,
            "validation_loss": total / len(validation),
            "validation_accuracy": correct / len(validation),
        }
        history.append(record)
        tell(record)
        if early_stop.reason(history, rules):
            break
    return history


def _floats(images_NHWC: Tensor, data: ImageData) -> Tensor:
    mean_C11 = torch.tensor(data.mean).view(-1, 1, 1)
    deviation_C11 = torch.tensor(data.deviation).view(-1, 1, 1)
    return (images_NHWC.cpu().permute(0, 3, 1, 2).to(torch.get_default_dtype()) / 255 - mean_C11) / deviation_C11


class PlainLanguageModel(nn.Module):
    """Embedding, one recurrent cell with a weight per edge, decoder; the same initial weights as ``built``."""

    def __init__(self, cell: Cell, built: LanguageModel) -> None:
        super().__init__()
        layer = built.layer
        assert isinstance(layer, RecurrentCell)
        self.cell = cell
        self.embedding = nn.Embedding(built.vocabulary, built.network.embedding)
        self.first = nn.Parameter(torch.cat([layer.input.weight, layer.recurrent], 1).detach().t().contiguous())
        self.edges = nn.ParameterDict(
            {f"{i}-{j}": nn.Parameter(layer.edge_weight(i, j).detach().contiguous()) for i, j in cell.edges}
        )
        self.decoder = nn.Linear(layer.width, built.vocabulary)
        with torch.no_grad():
            self.embedding.weight.copy_(built.embedding.weight)
            self.decoder.weight.copy_(built.decoder.weight)
            self.decoder.bias.copy_(built.decoder.bias)
        if built.network.tied:
            self.decoder.weight = self.embedding.weight

    def forward(self, tokens_TB: Tensor, state_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (T, B, V) and the last state (B, N)."""
        x_TBE = self.embedding(tokens_TB)
        outputs = []
        for x_BE in x_TBE:
            state_BN = self._step(x_BE, state_BN)
            outputs.append(state_BN)
        return self.decoder(torch.stack(outputs)), state_BN

    def _step(self, x_BE: Tensor, h_BN: Tensor) -> Tensor:
        gate_BN, candidate_BN = (torch.cat([x_BE, h_BN], 1) @ self.first).chunk(2, 1)
        states = {0: h_BN + gate_BN.sigmoid() * (candidate_BN.tanh() - h_BN)}
        for j in self.cell.nodes[1:]:
            function, arrivals = FUNCTIONS[self.cell.operator(j)], []
            for i in self.cell.predecessors(j):
                gate_BN, candidate_BN = (states[i] @ self.edges[f"{i}-{j}"]).chunk(2, 1)
                arrivals.append(states[i] + gate_BN.sigmoid() * (function(candidate_BN) - states[i]))
            states[j] = torch.stack(arrivals).mean(0)
        return torch.stack([states[leaf] for leaf in self.cell.leaves]).mean(0)


def train_text(
    cell: Cell, proxy: LanguageProxy, data: TextData, seed: int, device: torch.device, tell: Told = lambda _: None
) -> History:
    """Train one RNN candidate and return its history; ``tell`` hears of every epoch."""
    recipe = proxy.training
    model = PlainLanguageModel(cell, build_language_model(cell, proxy.network, data.words, seed)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    train_LB = sequences.columns(data.train, recipe.batch_size, device, "training text")
    validation_LB = sequences.columns(data.validation, recipe.evaluation_batch_size, device, "validation text")
    history: History = []
    for epoch in range(recipe.epochs):
        rate = schedule.learning_rate(
            recipe.learning_rate, epoch, recipe.epochs, recipe.decay_epochs_before_end, recipe.decay_factor
        )
        lengths = [cut.length for cut in sequences.cuts(len(train_LB), recipe.bptt, seed, f"epoch/{epoch}")]
        total, moving = 0.0, math.nan
        for length, loss in _losses(model, train_LB, lengths, proxy.network.hidden):
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_gradient_norm)
            optimizer.param_groups[0]["lr"] = rate * length / recipe.bptt.length
            optimizer.step()
            total += loss.item() * length
            now, momentum = loss.item(), proxy.early_stop.moving_momentum
            moving = now if math.isnan(moving) else momentum * moving + (1 - momentum) * now
        train_loss, total, words = total / sum(lengths), 0.0, len(validation_LB) - 1
        cuts = [min(recipe.bptt.length, words - start) for start in range(0, words, recipe.bptt.length)]
        with torch.no_grad():
            for length, loss in _losses(model, validation_LB, cuts, proxy.network.hidden):
                total += loss.item() * length
        record = {
            "epoch": epoch,
            "steps": len(lengths),
            "learning_rate": rate,
            "train_loss": finite(train_loss),
            "moving_train_loss": finite(moving),
            "validation_loss": finite(total / words),
            "validation_perplexity": sequences.perplexity(total / words),
        }
        history.append(record)
        tell(record)
        if language_stop.reason(history, proxy.early_stop):
            break
    return history


def _losses(
    model: PlainLanguageModel, text_LB: Tensor, lengths: list[int], hidden: int
) -> Iterator[tuple[int, Tensor]]:
    """Yield each sequence's length and mean cross-entropy, the state carried from one to the next."""
    state_BN = text_LB.new_zeros(text_LB.shape[1], hidden, dtype=torch.get_default_dtype())
    start = 0
    for length in lengths:
        logits_TBV, state_BN = model(text_LB[start : start + length], state_BN.detach())
        targets_TB = text_LB[start + 1 : start + 1 + length]
        yield length, functional.cross_entropy(logits_TBV.flatten(0, 1), targets_TB.flatten())
        start += length
