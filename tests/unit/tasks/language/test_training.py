"""The full training: exact resumption in both of its phases, averaging, and what it writes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autoshrink.cells.cell import Cell
from autoshrink.errors import ArtifactError, DataError, ParameterError, UserError
from autoshrink.files import artifacts
from autoshrink.params.base import Task
from autoshrink.params.language import BackpropagationThroughTime, Dropouts, LanguageNetwork, LanguageTraining
from autoshrink.records.predictions import TextPredictions
from autoshrink.runtime import seeds
from autoshrink.runtime.processes import Share
from autoshrink.tasks.language import costs, dropout, loading, network, sequences, testing, training, unigram
from autoshrink.tasks.language.data import PreparedText
from autoshrink.tasks.language.records import TextModel
from autoshrink.training import loop as loops
from autoshrink.training.events import Resumed
from autoshrink.training.loop import Loop
from tests.device import COMPUTE, DEVICE
from tests.waiting import NoWaiting

from . import plain

CELL = Cell.complete(["tanh", "relu", "identity"])
RECIPE = LanguageTraining(
    network=LanguageNetwork(embedding=12, hidden=12, initial_range=0.3),
    epochs=6,
    batch_size=4,
    bptt=BackpropagationThroughTime(length=20, deviation=3.0),
    learning_rate=20.0,
    clip_gradient_norm=0.5,
    dropouts=Dropouts(output=0.1, hidden=0.1, input=0.1, embedding=0.1, words=0.1),
    activation_regularisation=0.1,
    temporal_activation_regularisation=0.1,
    average_after=1,
    checkpoint_steps=3,
)


def train(text: PreparedText, folder: Path, recipe: LanguageTraining = RECIPE, cell: Cell = CELL) -> list[Any]:
    """Train into ``folder`` and return what progress was told."""
    told: list[Any] = []
    training.train(cell, recipe, text, folder, 1, COMPUTE, told.append)
    return told


def words(learner: training.LanguageLearner, length: int) -> training.Words:
    """Return the first ``length`` words to predict, without dropout."""
    return training.Words(learner.train_LB[: length + 1], dropout.NONE, length)


def outputs(folder: Path) -> dict[str, bytes]:
    """Return the bytes of what a training leaves behind, its last checkpoint included."""
    last = sorted((folder / "checkpoints").glob("step-*.json"))[-1]
    files = [folder / name for name in ("model.safetensors", "model.json", "history.json")]
    return {path.name: path.read_bytes() for path in [*files, last, last.with_suffix(".safetensors")]}


@pytest.fixture(scope="module")
def trained(text: PreparedText, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nobody disturbed."""
    folder = tmp_path_factory.mktemp("trained")
    train(text, folder)
    return folder


def history(folder: Path) -> list[dict[str, Any]]:
    """Return the epochs' records."""
    epochs: list[dict[str, Any]] = artifacts.read_sealed(folder / "history.json", "history", 1)["epochs"]
    return epochs


def test_the_undisturbed_training_passes_through_both_phases(trained: Path) -> None:
    """The fixture is what the resumption tests need: SGD first, averaged SGD later, and a model that learns."""
    averaged = [record["averaged"] for record in history(trained)]
    assert averaged[0] is False and averaged[-1] is True
    losses = [record["validation_loss"] for record in history(trained)]
    assert min(losses) < 0.9 * np.log(21)
    chosen = artifacts.read_sealed(trained / "history.json", "history", 1)["chosen_epoch"]
    assert losses[chosen] == min(losses)


@pytest.mark.parametrize("stop_after", [1, 14, 33, 56, 57, 71, 83])
def test_a_stopped_training_resumes_to_the_same_bytes(
    text: PreparedText, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    """Stopped after any step, in either phase, model, history and last checkpoint end equal bit for bit."""
    run_step = Loop._run_step
    taken = 0

    def stopping(self: Any, batch: Any) -> None:
        nonlocal taken
        if taken == stop_after:
            raise KeyboardInterrupt
        taken += 1
        run_step(self, batch)

    monkeypatch.setattr(Loop, "_run_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(text, tmp_path)
    monkeypatch.undo()
    torch.rand(3)  # the global generator is no part of the state
    told = train(text, tmp_path)
    assert outputs(tmp_path) == outputs(trained)
    assert isinstance(told[0], Resumed) or stop_after < 3


def test_a_finished_training_called_again_changes_nothing(text: PreparedText, trained: Path) -> None:
    """The same call finds all epochs done and writes the same bytes."""
    before = outputs(trained)
    told = train(text, trained)
    assert outputs(trained) == before
    assert [type(event) for event in told] == [Resumed]


def test_checkpoints_change_no_result(text: PreparedText, trained: Path, tmp_path: Path) -> None:
    """How often and how many are kept is no part of what is trained."""
    train(text, tmp_path, RECIPE.model_copy(update={"checkpoint_steps": 0, "keep_checkpoints": 1}))
    assert outputs(tmp_path)["model.json"] == outputs(trained)["model.json"]
    assert len(list((tmp_path / "checkpoints").glob("*.json"))) == 1


def test_a_checkpoint_of_another_cell_is_set_aside(text: PreparedText, trained: Path, tmp_path: Path) -> None:
    """The training starts from scratch and ends as if the foreign checkpoint had never been there."""
    short = RECIPE.model_copy(update={"epochs": 1})
    train(text, tmp_path, short, Cell.complete(["relu"]))
    told = train(text, tmp_path)
    assert not isinstance(told[0], Resumed)
    assert outputs(tmp_path) == outputs(trained)
    assert list((tmp_path / "checkpoints").glob("*.foreign-*"))


@pytest.mark.parametrize("on_cuda", [{}, {"capturable": True, "foreach": False}, {"capturable": True, "foreach": True}])
def test_averaged_sgd_is_the_mean_of_iterates_at_each_steps_own_rate(
    on_cuda: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights and averages equal the NumPy statement, weight decay and changing rates included.

    So do those of the forms that CUDA takes, which read no number back (many tensors at once: not on CUDA).
    """
    module_of_asgd = sys.modules[torch.optim.ASGD.__module__]
    monkeypatch.setattr(module_of_asgd, "_get_capturable_supported_devices", lambda **_: ["cpu"])
    generator = seeds.numpy_generator(1, "gradients")
    start, gradients = generator.normal(size=4), [generator.normal(size=4) for _ in range(9)]
    rates = generator.uniform(0.1, 1.0, size=9).tolist()
    recipe = RECIPE.model_copy(update={"weight_decay": 0.01})
    module = torch.nn.Linear(4, 1, bias=False).double()
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(start)[None])
    optimizer = training.averaging_optimizer(module, recipe)
    optimizer.param_groups[0].update(on_cuda)
    for number, (gradient, rate) in enumerate(zip(gradients, rates, strict=True)):
        module.weight.grad = torch.from_numpy(gradient)[None]
        with NoWaiting() if number and on_cuda.get("foreach") is False else contextlib.nullcontext():
            training.set_rate(optimizer, rate)
            optimizer.step()
    last, mean = plain.averaged_sgd(start, gradients, rates, 0.01)
    assert np.allclose(module.weight.detach().numpy()[0], last, atol=1e-12)
    with training.averaged_weights(optimizer):
        assert np.allclose(module.weight.detach().numpy()[0], mean, atol=1e-6)
    assert np.allclose(module.weight.detach().numpy()[0], last, atol=1e-12)


def test_a_step_waits_for_nothing(text: PreparedText, tmp_path: Path) -> None:
    """Masks, gradients, clipping and update: nothing is read back, and nothing brought from the host."""
    recipe = RECIPE.model_copy(
        update={"dropouts": Dropouts(words=0.1, embedding=0.1, input=0.1, hidden=0.1, output=0.1), "weight_decay": 0.1}
    )
    learner = training.LanguageLearner(CELL, recipe, text, 1, DEVICE, Share())
    loop = Loop(learner, Task.RNN, tmp_path, DEVICE, Share(), print)
    for number, batch in zip(range(3), learner.batches(0, 0), strict=False):
        with NoWaiting() if number else contextlib.nullcontext():
            loop._run_step(batch)
            loop.step += 1
            next(learner.batches(0, number))


def test_a_checkpoint_of_another_device_is_gone_on_from(text: PreparedText, tmp_path: Path) -> None:
    """Whether an optimizer is capturable is its device's affair and not the checkpoint's."""
    made = training.averaging_optimizer(torch.nn.Linear(2, 1), RECIPE)
    saved = made.state_dict()
    saved["param_groups"][0]["capturable"] = True
    loops.load_optimizer(made, saved)
    assert made.param_groups[0]["capturable"] is False


def test_one_sgd_step_is_the_recipes(text: PreparedText, tmp_path: Path) -> None:
    """Clipped gradient, decay and the rate scaled by the sequence's length, against the same step by hand."""
    recipe = RECIPE.model_copy(update={"dropouts": Dropouts(), "clip_gradient_norm": 0.01, "weight_decay": 0.1})
    learner = training.LanguageLearner(CELL, recipe, text, 1, DEVICE, Share())
    model = network.build(CELL, recipe.network, text.vocabulary, 1).to(DEVICE)
    model.tie()
    Loop(learner, Task.RNN, tmp_path, DEVICE, Share(), print)._run_step(words(learner, 7))
    part = sequences.loss(model, learner.train_LB[:8], model.initial_state(4), dropout.NONE, 0.1, 0.1)
    found = torch.autograd.grad(part.objective, list(model.parameters()))
    gradients = dict(zip(network.parameters(model), found, strict=True))
    norm = float(sum(float((gradient**2).sum()) for gradient in gradients.values()) ** 0.5)
    assert norm > 0.01
    for name, weight in network.parameters(model).items():
        expected = weight - 20.0 * 7 / 20 * (gradients[name] * 0.01 / norm + 0.1 * weight)
        torch.testing.assert_close(network.parameters(learner.model)[name], expected, rtol=1e-4, atol=1e-6)


def test_the_test_split_is_measured_beside_the_unigram_model(text: PreparedText, trained: Path) -> None:
    """The model beats word frequencies on text that has structure, and its validation agrees with its history."""
    tested = testing.test(trained, text, COMPUTE)
    found = tested.metrics
    assert found["perplexity"] is not None and found["unigram_perplexity"] is not None
    assert found["perplexity"] < 0.75 * found["unigram_perplexity"]
    best = min(record["validation_perplexity"] for record in history(trained))
    assert found["validation_perplexity"] == pytest.approx(best, rel=1e-5)
    assert isinstance(tested.predictions, TextPredictions) and len(tested.predictions.samples) == 8
    for sample in tested.predictions.samples:
        chances = [item.probability for item in sample.expected]
        assert chances == sorted(chances, reverse=True) and sum(chances) <= 1.001
        known = {item.word: item.probability for item in sample.expected}
        assert known.get(sample.truth, sample.probability) == sample.probability
    assert costs.measure(CELL, RECIPE.network, len(text.vocabulary))["parameters"] == sum(
        parameter.numel() for parameter in loading.load_model(trained).parameters()
    )


def test_the_unigram_model_counts_words_plus_one() -> None:
    """Restated: two words seen three times and once, a third never."""
    train_tokens, test_tokens = np.array([0, 0, 0, 1], np.int32), np.array([0, 1, 2], np.int32)
    expected = np.exp(-np.mean(np.log([4 / 7, 2 / 7, 1 / 7])))
    assert unigram.perplexity(train_tokens, test_tokens, 3) == pytest.approx(expected)


def test_a_model_of_other_words_is_not_tested(text: PreparedText, trained: Path, tmp_path: Path) -> None:
    """The message names the data set that the model was trained on."""
    from autoshrink.tasks.language import data

    from .conftest import own_text

    entry = own_text(tmp_path / "raw").model_copy(update={"vocabulary_size": 12})
    data.prepare("other", entry, tmp_path / "p", tmp_path, 1)
    with pytest.raises(DataError, match=r"words that are not data set 'other'.*'own'"):
        testing.test(trained, data.load(tmp_path / "p"), COMPUTE)


def test_a_loaded_model_is_the_trained_one(text: PreparedText, trained: Path) -> None:
    """Weights and words come back, tied, in evaluation mode and without gradients."""
    module, description = loading.load_model(trained), TextModel.of(trained)
    assert description.words == text.vocabulary and description.cell == CELL
    assert module.decoder.weight is module.embedding.weight
    assert not module.training and not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("file", ["model.safetensors", "model.json"])
def test_a_damaged_model_is_not_loaded(trained: Path, tmp_path: Path, file: str) -> None:
    """One flipped byte in either file is found."""
    for name in ("model.safetensors", "model.json"):
        content = bytearray((trained / name).read_bytes())
        if name == file:
            content[len(content) // 2] ^= 1
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=file):
        loading.load_model(tmp_path)


def test_a_training_that_diverges_at_once_says_so(text: PreparedText, tmp_path: Path) -> None:
    """No model is written, and the message names the learning rate."""
    recipe = RECIPE.model_copy(update={"learning_rate": 1e30, "clip_gradient_norm": 1e30})
    with pytest.raises(UserError, match=r"training.rnn.learning_rate = 1e\+30: the training diverged"):
        train(text, tmp_path, recipe, Cell.complete(["relu", "identity"]))
    assert not (tmp_path / "model.json").exists()


SCRIPT = """
import json, sys
from pathlib import Path
from autoshrink.cells.cell import Cell
from autoshrink.tasks.language import data, training
from autoshrink.params.language import LanguageTraining
from autoshrink.params.root import Compute

cell, recipe, prepared, out = json.loads(sys.argv[1])
training.train(
    Cell.from_json(cell), LanguageTraining.model_validate(recipe), data.load(Path(prepared)), Path(out), 1,
    Compute(device="cpu"), lambda record: None,
)
"""


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_training_resumes_to_the_same_bytes(text: PreparedText, tmp_path: Path, processes: int) -> None:
    """SIGKILL at some moment, then the same command: one process or two, the end is equal bit for bit."""
    (tmp_path / "script.py").write_text(SCRIPT)
    recipe = RECIPE.model_copy(update={"epochs": 2})

    def start(out: str) -> "subprocess.Popen[bytes]":
        argument = json.dumps([CELL.to_json(), recipe.model_dump(mode="json"), str(text.folder), str(tmp_path / out)])
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command = [sys.executable, *(launcher if processes > 1 else []), str(tmp_path / "script.py"), argument]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, env=environment)

    assert start("undisturbed").wait() == 0
    killed = start("killed")
    deadline = time.monotonic() + 300
    while not list((tmp_path / "killed" / "checkpoints").glob("step-0000000[12]*.json")):
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "model.json").exists()
    assert start("killed").wait() == 0
    assert outputs(tmp_path / "killed") == outputs(tmp_path / "undisturbed")


def test_two_processes_train_as_one(text: PreparedText) -> None:
    """A share of the columns each, gradients averaged: the first step of two shares is the whole batch's."""
    learners = [
        training.LanguageLearner(CELL, RECIPE, text, 1, DEVICE, share) for share in (Share(), Share(0, 2), Share(1, 2))
    ]
    whole, *halves = learners
    assert torch.equal(torch.cat([half.train_LB for half in halves], 1), whole.train_LB)
    gradients = []
    for learner in learners:
        learner.loss(learner.module, next(learner.batches(0, 0))).objective.backward()  # type: ignore[no-untyped-call]
        gradients.append([parameter.grad for parameter in learner.model.parameters()])
    for one, first, second in zip(*gradients, strict=True):
        assert one is not None and first is not None and second is not None
        torch.testing.assert_close(one, (first + second) / 2, rtol=1e-4, atol=1e-6)


def test_two_processes_with_unequal_shares_train_as_one(text: PreparedText) -> None:
    """Three columns and one, gradients counted by columns: the first step is the whole batch's."""
    parts = (0.75, 0.25)
    learners = [
        training.LanguageLearner(CELL, RECIPE, text, 1, DEVICE, share)
        for share in (Share(), Share(0, 2, parts), Share(1, 2, parts))
    ]
    assert [learner.train_LB.shape[1] for learner in learners] == [4, 3, 1]
    gradients = []
    for learner in learners:
        loss = learner.loss(learner.module, next(learner.batches(0, 0)))
        (loss.objective * learner.weight).backward()  # type: ignore[no-untyped-call]
        gradients.append([parameter.grad for parameter in learner.model.parameters()])
    for one, first, second in zip(*gradients, strict=True):
        assert one is not None and first is not None and second is not None
        torch.testing.assert_close(one, (first + second) / 2, rtol=1e-4, atol=1e-6)


def test_a_batch_that_processes_cannot_share_is_an_error(text: PreparedText) -> None:
    """The message names the key and the number of processes."""
    with pytest.raises(ParameterError, match=r"training.rnn.batch_size = 4: is not divisible by 3 processes"):
        training.LanguageLearner(CELL, RECIPE, text, 1, DEVICE, Share(0, 3))
