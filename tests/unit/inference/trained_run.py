"""Two small trained models with the data they were trained on, made once: digits, and a text of a few words."""

import random
from pathlib import Path

import pytest

from autoshrink.cells.cell import Cell
from autoshrink.lineage import records
from autoshrink.params.base import Task
from autoshrink.params.data import Digits, OwnText
from autoshrink.params.language import LanguageNetwork, LanguageTraining
from autoshrink.params.root import Compute
from autoshrink.params.vision import ImageTraining
from autoshrink.records.best import Best
from autoshrink.records.metrics import FinalMetrics, ProxyFacts
from autoshrink.records.record import Metrics
from autoshrink.tasks.language import data as text_data
from autoshrink.tasks.language import testing as text_testing
from autoshrink.tasks.language import training as text_training
from autoshrink.tasks.vision import data as image_data
from autoshrink.tasks.vision import testing as image_testing
from autoshrink.tasks.vision import training as image_training

IMAGE_CELL = Cell.of(["separable_conv_3x3", "conv_1x1", "separable_conv_3x3"], [(0, 1), (0, 2), (1, 3), (0, 3)])
TEXT_CELL = Cell.of(["tanh", "identity", "sigmoid", "relu"], [(0, 1), (0, 2), (1, 3), (2, 4), (0, 4)])

FACTS = records.Facts(verb="train", code=records.Code(version="0.0.0"), environment={})


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``data/`` and ``results/`` as a run leaves them, as far as models go."""
    root = tmp_path_factory.mktemp("run")
    digits = root / "data" / "digits"
    image_data.prepare("digits", Digits(source="digits"), digits, root / "downloads", 7)
    image_training.train(
        IMAGE_CELL,
        ImageTraining(dataset="digits", epochs=3),
        image_data.load(digits),
        root / "results" / "cnn" / "shrink-0" / "model",
        7,
        Compute(device="cpu"),
        lambda record: None,
    )
    draw = random.Random(1)
    for part, lines in (("train", 400), ("validation", 60), ("test", 60)):
        (root / f"{part}.txt").write_text("\n".join(sentence(draw) for _ in range(lines)), encoding="utf-8")
    entry = OwnText(
        source="text",
        train=str(root / "train.txt"),
        validation=str(root / "validation.txt"),
        test=str(root / "test.txt"),
        lowercase=True,
        vocabulary_size=12,
    )
    text_data.prepare("tale", entry, root / "data" / "tale", root / "downloads", 7)
    text_training.train(
        TEXT_CELL,
        LanguageTraining(dataset="tale", epochs=2, batch_size=8, network=LanguageNetwork(embedding=16, hidden=16)),
        text_data.load(root / "data" / "tale"),
        root / "results" / "rnn" / "shrink-0" / "model",
        7,
        Compute(device="cpu"),
        lambda record: None,
    )
    for task, cell, data, testing in (
        ("cnn", IMAGE_CELL, image_data.load(digits), image_testing),
        ("rnn", TEXT_CELL, text_data.load(root / "data" / "tale"), text_testing),
    ):
        folder = root / "results" / task / "shrink-0"
        model = folder / "model" / "model.json"
        records.write(model, records.digests([data.folder / "manifest.json"]), records.digests([model]), FACTS)
        finish(folder, task, cell, data.name, dict(testing.test(folder / "model", data, Compute(device="cpu")).metrics))
    return root


def finish(folder: Path, task: str, cell: Cell, dataset: str, metrics: dict[str, float | None]) -> None:
    """Write a search's answer and its metrics, as far as a model card reads them."""
    quality: Metrics = {"accuracy": 0.75}
    best = Best(
        task=Task(task),
        search="shrink-0",
        round=3,
        slot=0,
        cell=cell,
        key=cell.key,
        origin="without 0 -> 2",
        removed=((0, 2),),
        fidelity=None,
        evaluation="e" * 64,
        metrics=quality,
        epochs=2,
        early_stop=None,
        costs={},
        score=0.5,
        violation=0,
    )
    best.write(folder / "best.json")
    FinalMetrics(
        task=Task(task),
        search="shrink-0",
        seed=7,
        seed_name=f"7/{task}/shrink-0",
        dataset=dataset,
        round=3,
        cell=cell,
        key=cell.key,
        proxy=ProxyFacts(score=0.5, metrics=quality, costs={}),
        metrics=metrics,
        costs={"parameters": 1500, "macs": 30_000},
        complete_costs={"parameters": 2000, "macs": 60_000},
    ).write(folder / "metrics.json")


def sentence(draw: random.Random) -> str:
    """Return a sentence of a tiny language, in which what comes next can be learnt."""
    animal = draw.choice(["The cat", "The dog", "A bird", "A rare okapi"])
    return f"{animal} {draw.choice(['sees', 'hears'])} {draw.choice(['the cat', 'a bird', 'the dog'])} ."
