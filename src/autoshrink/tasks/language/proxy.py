"""The proxy of language modelling: a small network around a candidate, trained on a few lines (paper, section 5.1).

A candidate's training depends on its cell, the proxy, the text and its own seed, and on nothing else that runs.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from autoshrink.cells.cell import Cell
from autoshrink.errors import DataError
from autoshrink.params.language import LanguageProxy
from autoshrink.records.evaluation import EpochEntry, TrialResult
from autoshrink.tasks.language import costs, early_stop, schedule, sequences
from autoshrink.tasks.language.data import PreparedText, Tokens
from autoshrink.tasks.language.network import LanguageModel, build
from autoshrink.tasks.language.records import SplitName
from autoshrink.training.history import best_epoch, finite


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
    """Return the first lines of the training and validation splits, over their words.

    As the paper's proxy has it, ``test_lines`` lets the first test lines' words join them; 0 opens no test split.
    Nothing is drawn at random: where a source has no order of its own, its preparation already shuffled it. Raises
    DataError where a split has too few lines.
    """
    del seed
    counts: dict[SplitName, int] = {
        "train": proxy.train_lines,
        "validation": proxy.validation_lines,
        "test": proxy.test_lines,
    }
    lines = {split: first_lines(data, split, count) for split, count in counts.items() if count}
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


Step = tuple[str, int]
"""What a step does and over how many words; two equal ones launch the same kernels on the same memory."""


class LanguageTrial:
    """One candidate's training from scratch, an epoch at a time; exactly the same whichever others train beside it.

    An epoch is ``begin_epoch``, then ``run`` of every step it names, then ``end_epoch``; ``run_epoch`` does all that. A
    step waits for nothing, and keeps where it is in the text on the device, so that it can be captured as a CUDA graph.
    """

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
        self._history: list[EpochEntry] = []
        self._costs = costs.measure(cell, proxy.network, len(data.words))
        self._model = build(cell, proxy.network, data.words, seed).to(device)
        self._model.tie()
        self._training = _Reading(
            self._model, sequences.columns(data.train, recipe.batch_size, device, "proxy.rnn.train_lines")
        )
        self._validation = _Reading(
            self._model,
            sequences.columns(data.validation, recipe.evaluation_batch_size, device, "proxy.rnn.validation_lines"),
        )
        self._steps, self._words = 0, 0
        self._last_rate_length = 0  # of the epoch's last sequence (``sequences.Cut``)
        self._moving = torch.zeros((), dtype=torch.float64, device=device)
        self._started = torch.zeros((), dtype=torch.bool, device=device)
        self._rate = torch.zeros((), dtype=torch.float64, device=device)  # of the epoch, for a sequence of full length
        self._optimizer = torch.optim.SGD(
            self._model.parameters(), torch.zeros((), device=device), weight_decay=recipe.weight_decay, fused=True
        )

    @property
    def done(self) -> bool:
        """Whether all epochs were run, or training was stopped early (``stopped`` says why)."""
        return self.stopped is not None or len(self._history) == self._proxy.training.epochs

    def run_epoch(self) -> EpochEntry:
        """Train one epoch, validate, and return the epoch's record (see ``end_epoch``)."""
        for step in self.begin_epoch():
            self.run(step)
        return self.end_epoch()

    def begin_epoch(self) -> list[Step]:
        """Set the next epoch up and return its steps."""
        assert not self.done, "this candidate has stopped"
        recipe, epoch = self._proxy.training, len(self._history)
        self._training.rewind()
        self._validation.rewind()
        rate = schedule.learning_rate(
            recipe.learning_rate, epoch, recipe.epochs, recipe.decay_epochs_before_end, recipe.decay_factor
        )
        self._rate.fill_(rate)
        cuts = sequences.cuts(len(self._training.text_LB), recipe.bptt, self._seed, f"epoch/{epoch}")
        self._steps, self._words = len(cuts), sum(cut.length for cut in cuts)
        self._started.zero_()
        words = len(self._validation.text_LB) - 1
        whole, rest = divmod(words, recipe.bptt.length)
        validation = [recipe.bptt.length] * whole + [rest] * (rest > 0)
        self._last_rate_length = cuts[-1].rate_length
        training = [("train", cut.length) for cut in cuts[:-1]] + [("train last", cuts[-1].length)]
        return training + [("validate", length) for length in validation]

    def run(self, step: Step) -> None:
        """Run one of the steps that ``begin_epoch`` named."""
        kind, length = step
        if kind == "train":
            self._train(length, length)
        elif kind == "train last":
            self._train(length, self._last_rate_length)
        else:
            with torch.no_grad():
                self._validation.read(length)

    def end_epoch(self) -> EpochEntry:
        """Wait for the epoch's steps and return its record.

        Keys: ``epoch`` (from 0), ``steps``, ``learning_rate``, ``train_loss`` and ``validation_loss`` (mean nats per
        word), ``moving_train_loss`` at the epoch's end, ``validation_perplexity``; a loss that is not finite is None,
        and so is its perplexity.
        """
        numbers = torch.stack([self._training.total, self._validation.total, self._rate]).tolist()  # one wait
        train_loss = numbers[0] / self._words
        validation_loss = numbers[1] / (len(self._validation.text_LB) - 1)
        record = {
            "epoch": len(self._history),
            "steps": self._steps,
            "learning_rate": numbers[2],
            "train_loss": finite(train_loss),
            "moving_train_loss": finite(self._moving.item()),
            "validation_loss": finite(validation_loss),
            "validation_perplexity": sequences.perplexity(validation_loss),
        }
        self._history.append(record)
        self.stopped = early_stop.reason(self._history, self._proxy.early_stop)
        return record

    def result(self) -> TrialResult:
        """Return what the candidate came to.

        ``metrics``: ``perplexity`` (best validation perplexity) and ``loss``, both of ``best_epoch``, all None where
        the training diverged (unless ``early_stop.keeps_best_when_diverged``); ``history``; ``stopped``; ``costs`` of
        the proxy's network per word.
        """
        counts = self.stopped != early_stop.DIVERGED or self._proxy.early_stop.keeps_best_when_diverged
        best = best_epoch(self._history, "validation_loss", "min") if counts else None
        record = self._history[best] if best is not None else None
        return TrialResult(
            metrics={
                "perplexity": record["validation_perplexity"] if record else None,
                "loss": record["validation_loss"] if record else None,
                "best_epoch": best,
            },
            history=tuple(self._history),
            stopped=self.stopped,
            costs=self._costs,
        )

    def _train(self, length: int, rate_length: int) -> None:
        """Take one optimizer step over the text's next ``length`` words."""
        recipe = self._proxy.training
        part = self._training.read(length)
        self._optimizer.zero_grad()
        part.objective.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), recipe.clip_gradient_norm)
        self._optimizer.param_groups[0]["lr"].copy_(self._rate * rate_length / recipe.bptt.length)
        self._optimizer.step()
        momentum, now = self._proxy.early_stop.moving_momentum, part.cross_entropy.double()
        self._moving.copy_(torch.where(self._started, momentum * self._moving + (1 - momentum) * now, now))
        self._started.fill_(True)


class _Reading:
    """A model's way through a text (L, B): where it is, its state there, and what the way has cost so far."""

    def __init__(self, model: LanguageModel, text_LB: Tensor) -> None:
        self.text_LB = text_LB
        self.total = torch.zeros((), dtype=torch.float64, device=text_LB.device)
        """Sum over the words read of their mean cross-entropy over the batch, nats."""
        self._model = model
        self._state_BN = model.initial_state(text_LB.shape[1])
        self._row = torch.zeros((), dtype=torch.long, device=text_LB.device)
        self._rows_L = torch.arange(len(text_LB), device=text_LB.device)

    def rewind(self) -> None:
        """Go back to the text's beginning."""
        for tensor in (self.total, self._state_BN, self._row):
            tensor.zero_()

    def read(self, length: int) -> sequences.Loss:
        """Read the next ``length`` words and return what they cost."""
        words_SB = self.text_LB[self._row + self._rows_L[: length + 1]]
        part = sequences.loss(self._model, words_SB, self._state_BN)
        self._state_BN.copy_(part.state_BN)
        self._row += length
        self.total += part.cross_entropy.double() * length
        return part
