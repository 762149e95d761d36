import torch
from torch import nn

from autoshrink.costs import counting


def test_every_kind_of_layer_is_counted_as_stated() -> None:
    """Convolutions and matrix products count; batch norm apart; activations, pooling and additions are free."""
    module = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 5),
    )
    assert counting.measure(module, [torch.zeros(1, 2, 8, 8)]) == {
        "parameters": 2 * 4 * 9 + 64 * 5 + 5,
        "macs": 2 * 4 * 9 * 64 + 64 * 5 + 5,
        "parameters_with_batch_norm": 2 * 4 * 9 + 64 * 5 + 5 + 8,
        "macs_with_batch_norm": 2 * 4 * 9 * 64 + 64 * 5 + 5 + 4 * 64,
    }


def test_parts_add_up_to_the_whole() -> None:
    """The counts by child, free ones left out, sum to those of the network."""
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5))
    parts = counting.measure_parts(module, [torch.zeros(1, 3)])
    assert list(parts) == ["0", "2"]
    whole = counting.measure(module, [torch.zeros(1, 3)])
    assert {key: sum(part[key] for part in parts.values()) for key in whole} == whole


def test_measuring_changes_nothing() -> None:
    """The module keeps its weights, its mode and has no hooks afterwards."""
    module = nn.Linear(3, 4).train()
    before = module.weight.clone()
    counting.measure(module, [torch.zeros(1, 3)])
    assert module.training
    assert torch.equal(module.weight, before)
    assert not module._forward_hooks
    assert not module._forward_pre_hooks
