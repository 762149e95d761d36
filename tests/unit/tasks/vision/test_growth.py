"""Growing nodes: the function stays until something is chosen, and what is chosen is installed whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autoshrink.cells.cell import Cell
from autoshrink.errors import ParameterError, UserError
from autoshrink.files import artifacts, checkpoints
from autoshrink.params.vision import Growth, ImageNetwork, ImageTraining
from autoshrink.runtime.processes import Share
from autoshrink.tasks.vision import growth, loading, network, testing, training
from autoshrink.tasks.vision import overgrown as overgrown_network
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.records import ImageModel
from autoshrink.training.growth import Neuron
from tests.device import COMPUTE, DEVICE

CHAIN = Cell.of(["conv_1x1", "conv_3x3"], [(0, 1), (1, 2)])
LEAVES = Cell.of(["separable_conv_3x3", "conv_1x1", "separable_conv_3x3"], [(0, 1), (0, 2), (1, 2), (1, 3)])
NETWORK = ImageNetwork(stem_filters=4, base_filters=6, stage_scales=[1.0, 2.0], stage_cells=[1, 2], stage_pools=[1, 2])
NETWORKS = {
    "plain": NETWORK,
    "head": NETWORK.model_copy(update={"head_filters": 5}),
    "no residual": NETWORK.model_copy(update={"residual": False}),
    "layers": NETWORK.model_copy(
        update={"residual_layers": {"stage0.0": ["conv_3x3", "conv_1x1"], "stage1.1": ["conv_1x1"]}}
    ),
}
GROWTH = Growth(rounds=2, epochs=2, start=0.5, ratio=0.5, candidates=3, tuning_steps=6)
DEEPER = GROWTH.model_copy(update={"ratio": 1.0, "candidates": 1, "depth": "conv_1x1"})
RECIPE: dict[str, Any] = {
    "network": {**NETWORK.model_dump(), "dropout": 0.1},
    "epochs": 6,
    "batch_size": 12,
    "learning_rate": 0.02,
    "warmup_epochs": 0.5,
    "growth": DEEPER.model_dump(),
    "ema_decay": 0.8,
    "validation_per_class": 3,
    "checkpoint_steps": 2,
}
RESULTS = ("model.safetensors", "model.json", "history.json")


@pytest.fixture
def _double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def overgrown(
    cell: Cell, net: ImageNetwork, depth: str | None = "separable_conv_3x3"
) -> tuple[network.CellNetwork, growth.Candidates]:
    """Return a thin network whose batch norm has seen images, and the same with candidates."""
    thin = growth.thinned(cell, net, 3, 5, GROWTH)
    module = network.build(cell, thin, 3, 5, seed=1).train()
    for parameter in module.parameters():  # batch norm's scales and shifts away from the identity
        if parameter.ndim == 1:
            nn.init.normal_(parameter, 1.0, 0.3)
    module(images(4))
    state = {name: value.clone() for name, value in module.state_dict().items()}
    return module, growth.Candidates(cell, thin, 3, 5, state, GROWTH.candidates, 7, torch.device("cpu"), depth)


def images(seed: int) -> Tensor:
    """Return a batch (B, C, H, W)."""
    return torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("cell", [CHAIN, LEAVES], ids=["chain", "leaves"])
@pytest.mark.parametrize("name", NETWORKS)
def test_closed_gates_leave_the_function_as_it_is(cell: Cell, name: str) -> None:
    """With every candidate attached and every gate at zero, training-mode outputs are equal to rounding."""
    module, wide = overgrown(cell, NETWORKS[name])
    assert {neuron.kind for neuron in wide.neurons} == {"split", "new", "layer"}
    torch.testing.assert_close(wide.outputs(wide.gates(0.0), images(5)), module(images(5)), rtol=0, atol=1e-12)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("cell", [CHAIN, LEAVES], ids=["chain", "leaves"])
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [1.0, 0.25])
def test_what_is_installed_is_what_was_measured(cell: Cell, name: str, size: float) -> None:
    """The grown network computes what the overgrown one computes with the chosen gates open, and another function."""
    module, wide = overgrown(cell, NETWORKS[name])
    neurons = [neuron for neuron in wide.neurons if neuron.kind != "layer"]
    chosen = [*neurons[::3], Neuron("stage1.0", "layer", 0)]
    gates = wide.opened(chosen, size)
    new = {node: width + sum(n.node == node for n in chosen) for node, width in wide.widths.items()}
    deeper = {**wide.network.residual_layers, "stage1.0": ["separable_conv_3x3"]}
    changes = {"node_widths": new, "residual_layers": deeper}
    grown = network.build(cell, wide.network.model_copy(update=changes), 3, 5, seed=9).train()
    grown.load_state_dict(wide.installed(gates))
    found = grown(images(5))
    torch.testing.assert_close(found, wide.outputs(gates, images(5)), rtol=0, atol=1e-12)
    assert float((found - module(images(5))).abs().max().detach()) > 1e-4


def test_a_new_leafs_outgoing_weights_reach_the_classifier() -> None:
    """The columns that the classifier gets are the tuned ones, not zeros."""
    _, wide = overgrown(CHAIN, NETWORK.model_copy(update={"stage_cells": [1, 1]}))
    leaf = list(wide.widths)[-1]
    assert leaf == "stage1.0.2"
    wide.tune([(images(1), torch.arange(8) % 5)] * 3, nn.functional.cross_entropy)
    chosen = [Neuron(leaf, "new", index) for index in range(3)]
    weight = wide.installed(wide.opened(chosen, 0.5))["classifier.weight"]
    assert weight.shape[1] == wide.widths[leaf] + 3
    torch.testing.assert_close(weight[:, -3:], 0.5 * wide.directions["classifier"][:, -3:])
    assert float(weight[:, -3:].abs().min()) > 0


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("depth", ["separable_conv_5x5", "conv_1x1"])
def test_an_open_layer_alone_changes_the_function(depth: str) -> None:
    """Each layer's gate opens that layer, and its gain is what opening it does to the loss."""
    module, wide = overgrown(LEAVES, NETWORK, depth)
    batches = [(images(1), torch.arange(8) % 5)]
    wide.tune(batches * 6, nn.functional.cross_entropy)
    for neuron in (neuron for neuron in wide.neurons if neuron.kind == "layer"):
        gates = wide.opened([neuron], 1.0)
        found = wide.outputs(gates, images(5))
        assert float((found - module(images(5))).abs().max().detach()) > 1e-6
        scales = wide.installed(gates)[f"{neuron.node}.deeper.0.operator.{'pointwise.' * ('sep' in depth)}norm.weight"]
        assert float(scales.abs().min()) > 0
        assert not any(".deeper." in name for name in wide.installed(wide.gates(0.0)))


def test_nodes_that_add_an_unchanged_input_stay_as_wide() -> None:
    """A leaf beside an identity, and one whose output the next cell adds as it is, cannot grow."""
    net = NETWORK.model_copy(update={"stem_filters": 6})
    found = growth.widths(network.skeleton(CHAIN, net, 3, 5))
    assert list(found) == ["stage0.0.1", "stage1.0.1", "stage1.1.1"]
    assert "stage1.1.2" in growth.widths(network.skeleton(CHAIN, NETWORKS["no residual"], 3, 5))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsproptf"])
def test_optimizer_state_and_average_are_carried_over(arrays: PreparedImages, optimizer: str) -> None:
    """Weights that were there keep their moments; new ones begin at none, or at their layer's second moment."""
    net = {**RECIPE["network"], "stage_cells": [1, 1]}
    how = ImageTraining.model_validate({**RECIPE, "network": net, "optimizer": optimizer})
    learner = training.ImageLearner(CHAIN, how, arrays, 5, DEVICE, Share())
    for number, batch in enumerate(learner.batches(0, 0)):
        learner.set_rate(0, number, batch)
        learner.loss(learner.module, batch).objective.backward()  # type: ignore[no-untyped-call]
        learner.optimizer.step()
        learner.optimizer.zero_grad()
        learner.after_step()
    parameters = dict(learner.module.named_parameters())
    before = {name: dict(learner.optimizer.state[parameters[name]]) for name in parameters}
    entry = learner.grow(2)
    assert entry and entry.new + entry.split > 0
    grown = dict(learner.module.named_parameters())
    assert grown["classifier.weight"].shape[1] > parameters["classifier.weight"].shape[1]
    for name, old in parameters.items():
        state = learner.optimizer.state[grown[name]]
        assert set(state) == set(before[name])
        for key, value in before[name].items():
            if isinstance(value, Tensor) and value.shape == old.shape:
                assert state[key].shape == grown[name].shape
                corner = tuple(slice(size) for size in old.shape)  # what is added comes last, in a chain
                assert torch.equal(state[key][corner], value)
    assert learner.evaluated.state_dict().keys() == learner.module.state_dict().keys()


def test_splitting_adds_splits_alone(arrays: PreparedImages) -> None:
    """Neither new neurons nor layers, within the quota, and only what lowers the loss; the same each time."""
    how = ImageTraining.model_validate({**RECIPE, "growth": {**GROWTH.model_dump(), "kind": "splitting"}})
    entries = []
    for _ in range(2):
        learner = training.ImageLearner(LEAVES, how, arrays, 5, DEVICE, Share())
        entries.append(learner.grow(2))
    entry = entries[0]
    assert entry is not None and entry == entries[1]
    assert (entry.new, entry.layers) == (0, 0)
    assert 0 < entry.split <= entry.quota
    assert entry.gain > 0 and entry.predicted_gain > 0


@pytest.fixture(scope="module")
def grown(arrays: PreparedImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A growing training that nobody disturbed."""
    folder = tmp_path_factory.mktemp("grown")
    train(arrays, folder)
    return folder


def train(data: PreparedImages, folder: Path, **changes: Any) -> list[dict[str, Any]]:
    """Train the chain and return what was told."""
    told: list[Any] = []
    recipe = ImageTraining.model_validate({**RECIPE, **changes})
    training.train(LEAVES, recipe, data, folder, 5, COMPUTE, told.append)
    return told


def test_a_grown_model_is_known_by_its_widths(grown: Path, arrays: PreparedImages) -> None:
    """History, model file, network and costs agree; quota and budget are kept, and each growth lowers the loss."""
    history = artifacts.read_sealed(grown / "history.json", "history", 1)
    assert [record["epoch"] for record in history["growths"]] == [2, 4]
    description = ImageModel.of(grown)
    assert description.network.node_widths == history["growths"][-1]["widths"]
    module = loading.load_model(grown)
    assert isinstance(module, network.CellNetwork)
    assert growth.widths(module) == description.network.node_widths
    recipe = ImageTraining.model_validate(RECIPE)
    budget = growth.cost_of(LEAVES, recipe.network, 3, 3, (12, 12), GROWTH)
    thin = growth.thinned(LEAVES, recipe.network, 3, 3, GROWTH)
    widths, layers = thin.node_widths, 0
    assert description.network.residual_layers
    for record in history["growths"]:
        assert record["quota"] == sum(widths.values())
        assert sum(record["widths"].values()) - sum(widths.values()) == record["new"] + record["split"]
        more = sum(map(len, record.get("residual_layers", {}).values())) - layers
        assert more == record.get("layers", 0)
        assert record["new"] + record["split"] + more <= record["quota"]
        layers += more
        assert record["gain"] > 0 and record["predicted_gain"] > 0
        assert record["costs"]["macs"] <= budget
        widths = record["widths"]
    assert (
        growth.cost_of(LEAVES, description.network, 3, 3, (12, 12), GROWTH) == history["growths"][-1]["costs"]["macs"]
    )
    assert history["chosen_epoch"] >= 4
    assert (testing.test(grown, arrays, COMPUTE).metrics["accuracy_top1"] or 0) > 0.5


def test_a_growing_training_resumed_anywhere_ends_in_the_same_bytes(
    grown: Path, arrays: PreparedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off after any checkpoint, those of the growths included, or in the middle of a growth."""
    save, step, saved = checkpoints.save, overgrown_network.Overgrown.gains, 0

    def save_and_break_off(*arguments: Any) -> None:
        nonlocal saved
        save(*arguments)
        saved += 1
        raise KeyboardInterrupt

    def break_off_once(*arguments: Any) -> Any:
        monkeypatch.setattr(overgrown_network.Overgrown, "gains", step)
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", save_and_break_off)
    monkeypatch.setattr(overgrown_network.Overgrown, "gains", break_off_once)
    for attempt in range(60):
        torch.manual_seed(attempt)
        try:
            train(arrays, tmp_path)
            break
        except KeyboardInterrupt:
            continue
    assert saved == 6 * 2 + 2  # in each epoch and at its end, and after each growth
    for name in RESULTS:
        assert (tmp_path / name).read_bytes() == (grown / name).read_bytes()


def test_growing_never_opens_the_test_split(
    arrays: PreparedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Candidates are tuned, scored and measured on training images."""
    split = PreparedImages.split

    def closed(self: PreparedImages, name: Any) -> Any:
        assert name == "train"
        return split(self, name)

    monkeypatch.setattr(PreparedImages, "split", closed)
    train(arrays, tmp_path, epochs=3, growth={**GROWTH.model_dump(), "rounds": 1})


def test_a_budget_below_the_thin_network_is_told(arrays: PreparedImages, tmp_path: Path) -> None:
    """One line with the thin network's own cost, before any training."""
    with pytest.raises(ParameterError, match=r"growth\.budget = 10: the thin network already has \d+ macs; accepted"):
        train(arrays, tmp_path, growth={**GROWTH.model_dump(), "budget": 10})
    assert not (tmp_path / "checkpoints").exists()


def test_a_cell_that_cannot_grow_is_told(arrays: PreparedImages) -> None:
    """Where every node is a leaf beside an identity, one line says so before any training."""
    single = Cell.of(["conv_1x1"], [(0, 1)])
    net = {"stem_filters": 8, "base_filters": 8, "stage_scales": [1.0], "stage_cells": [2], "stage_pools": [1]}
    how = ImageTraining.model_validate({**RECIPE, "network": net})
    with pytest.raises(ParameterError, match=r"training\.cnn\.growth: no node of this cell can grow"):
        training.ImageLearner(single, how, arrays, 5, DEVICE, Share())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"growth": {"ratio": 1.1}}, "less than or equal to 1"),
        ({"growth": {"rounds": 3, "epochs": 2}}, "3 rounds of 2 epochs leave none of epochs 6"),
        (
            {"network": {**RECIPE["network"], "residual_layers": {"stage0.0": ["conv_1x1"]}}},
            "residual_layers fixes the layers",
        ),
        ({"growth": {"depth": "max_pool_3x3"}}, "growth.depth"),
        ({"network": {**RECIPE["network"], "node_widths": {"stage0.0.1": 3}}}, "node_widths fixes the widths"),
    ],
)
def test_recipes_that_cannot_grow_are_refused(changes: dict[str, Any], message: str) -> None:
    """The parameters say so when they are read."""
    with pytest.raises(ValueError, match=message):
        ImageTraining.model_validate({**RECIPE, **changes})


def test_a_width_of_no_node_is_told() -> None:
    """The name is a stage, a cell and a node that the network has."""
    with pytest.raises(UserError, match=r"no node 'stage9\.0\.1'; accepted: stageS\.C\.N"):
        network.skeleton(CHAIN, ImageNetwork(node_widths={"stage9.0.1": 3}), 3, 5)
