"""Scores over a whole split."""

import pytest
import torch
from torch import nn

from autoshrink.tasks.vision import scoring
from tests.device import DEVICE
from tests.waiting import NoWaiting


def test_scores_wait_once_and_count_every_image() -> None:
    """Batches of unequal size count by their images, and none of them is waited for."""
    module = nn.Flatten()
    logits = torch.tensor([[3.0, 0.0, 0.0], [0.0, 2.0, 1.0], [0.0, 2.0, 1.0]], device=DEVICE)[:, :, None]
    labels = torch.tensor([0, 1, 2], device=DEVICE)
    with NoWaiting():
        found = scoring.score(
            module, [(logits[:2], labels[:2]), (logits[2:], labels[2:])], 0, torch.autocast(DEVICE.type, enabled=False)
        )
    expected = nn.functional.cross_entropy(logits[:, :, 0], labels).item()
    assert found == pytest.approx({"loss": expected, "accuracy_top1": 2 / 3, "accuracy_top5": 1.0})
