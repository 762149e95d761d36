"""Judging a candidate: a small network around it, trained from scratch briefly on a few lines (paper, section 5.1).

A candidate's training depends on its cell, the proxy, the text and its own seed, and on nothing else that runs.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from autoshrink.cell import Cell
from autoshrink.errors import DataError
from autoshrink.language import costs, early_stop, schedule, sequences
from autoshrink.language.data import PreparedText, SplitName, Tokens
from autoshrink.language.network import build
from autoshrink.params.language import LanguageProxy


@dataclass(frozen=True)
class ProxyData:
    """The proxy's text: its own small vocabulary and the tokens that stand for it."""

    words: tuple[str, ...]
    train: Tokens
    validation: Tokens

    @cached_property
    def digest(self) -> str:
        """sha256 over the words and the tokens."""
        digest = hashlib.sha256("\n".join(self.words).encode())
        for tokens in (self.train, self.validation):
            digest.update(repr((tokens.shape, str(tokens.dtype))).encode())
            digest.update(tokens.tobytes())
        return digest.hexdigest()


def draw(data: PreparedText, proxy: LanguageProxy, seed: int) -> ProxyData:
    """Return the first lines of the training and validation splits, over the words of these and the first test lines.

    That is the paper's proxy; which words the test lines have is all that is read of them. Nothing is drawn at
    random: where a source has no order of its own, its preparation already shuffled it. Raises DataError where a
    split has too few lines.
    """
    del seed
    counts: dict[SplitName, int] = {
        "train": proxy.train_lines,
        "validation": proxy.validation_lines,
        "test": proxy.test_lines,
    }
    lines = {split: first_lines(data, split, count) for split, count in counts.items()}
    used = np.unique(np.concatenate(list(lines.values())))
    number = np.full(len(data.vocabulary), -1, dtype=np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    words = tuple(data.vocabulary[token] for token in used)
    return ProxyData(words, number[lines["train"]], number[lines["validation"]])


def first_lines(data: PreparedText, split: SplitName, count: int) -> Tokens:
    """Return the tokens of a split's first ``count`` lines. Raises DataError where it has fewer."""
    tokens = data.split(split)
    ends = np.flatnonzero(tokens == data.end_of_line)
    if len(ends) < count:
        raise DataError(
            f"proxy.rnn.{split}_lines = {count}: data set {data.name!r} has {len(ends)} lines in its {split} split; "
            "accepted: at most as many"
        )
    return tokens[: ends[count - 1] + 1]


class Candidate:
    """One candidate's training from scratch, an epoch at a time; exactly the same whichever others train beside it."""

    def __init__(
        self,
        cell: Cell,
        proxy: LanguageProxy,
        data: ProxyData,
        seed: int,
        device: torch.device,
        deterministic: bool,
    ) -> None:
        """Build the candidate's network. ``seed`` is this candidate's own."""
        del deterministic  # no kernel used here has another form than the deterministic one
        self.stopped: str | None = None
        recipe = proxy.training
        self._proxy, self._seed = proxy, seed
        self._history: list[dict[str, Any]] = []
        self._costs = costs.measure(cell, proxy.network, len(data.words))
        self._model = build(cell, proxy.network, data.words, seed).to(device)
        self._model.tie()
        self._train_LB = sequences.columns(data.train, recipe.batch_size, device, "proxy.rnn.train_lines")
        self._validation_LB = sequences.columns(
            data.validation, recipe.evaluation_batch_size, device, "proxy.rnn.validation_lines"
        )
        self._optimizer = torch.optim.SGD(
            self._model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )

    @property
    def done(self) -> bool:
        """Whether all epochs were run, or training was stopped early (``stopped`` says why)."""
        return self.stopped is not None or len(self._history) == self._proxy.training.epochs

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, validate, and return the epoch's record.

        Keys: ``epoch`` (from 0), ``steps``, ``learning_rate``, ``train_loss`` and ``validation_loss`` (mean nats per
        word), ``validation_perplexity``; a loss that is not finite is None, and so is its perplexity.
        """
        assert not self.done, "this candidate has stopped"
        recipe = self._proxy.training
        epoch = len(self._history)
        rate = schedule.learning_rate(
            recipe.learning_rate, epoch, recipe.epochs, recipe.decay_epochs_before_end, recipe.decay_factor
        )
        steps, train_loss = self._train(epoch, rate)
        validation_loss = sequences.mean_loss(self._model, self._validation_LB, recipe.bptt.length)
        record = {
            "epoch": epoch,
            "steps": steps,
            "learning_rate": rate,
            "train_loss": sequences.finite(train_loss),
            "validation_loss": sequences.finite(validation_loss),
            "validation_perplexity": sequences.perplexity(validation_loss),
        }
        self._history.append(record)
        self.stopped = early_stop.reason(self._history, self._proxy.early_stop)
        return record

    def result(self) -> dict[str, Any]:
        """Return what the candidate came to, as JSON values.

        ``metrics``: ``perplexity`` (best validation perplexity) and ``loss``, both of ``best_epoch``, all None where
        the training diverged at any time; ``history``; ``stopped``; ``costs`` of the proxy's network per word.
        """
        best = early_stop.best_epoch(self._history) if self.stopped != early_stop.DIVERGED else None
        record = self._history[best] if best is not None else None
        return {
            "metrics": {
                "perplexity": record["validation_perplexity"] if record else None,
                "loss": record["validation_loss"] if record else None,
                "best_epoch": best,
            },
            "history": list(self._history),
            "stopped": self.stopped,
            "costs": self._costs,
        }

    def _train(self, epoch: int, rate: float) -> tuple[int, float]:
        """Train one epoch and return its steps and mean cross-entropy."""
        recipe = self._proxy.training
        state_BN = self._model.initial_state(recipe.batch_size)
        total = torch.zeros((), dtype=torch.float64, device=state_BN.device)
        start, lengths = 0, sequences.lengths(len(self._train_LB), recipe.bptt, self._seed, f"epoch/{epoch}")
        for length in lengths:
            part = sequences.loss(self._model, self._train_LB, start, length, state_BN)
            self._optimizer.zero_grad()
            part.objective.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), recipe.clip_gradient_norm)
            self._optimizer.param_groups[0]["lr"] = rate * length / recipe.bptt.length
            self._optimizer.step()
            state_BN = part.state_BN
            total += part.cross_entropy.double() * length
            start += length
        return len(lengths), float(total) / start
