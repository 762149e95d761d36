import pytest
import torch

from autoshrink.params.vision import Augmentation
from autoshrink.runtime.processes import Share
from autoshrink.tasks.vision import augmentation
from autoshrink.tasks.vision.feeds import evaluation_slices, step_positions

IMAGES = torch.arange(4 * 9 * 9 * 3, dtype=torch.int64).remainder(251).to(torch.uint8).view(4, 9, 9, 3)


def test_nothing_is_done_by_default() -> None:
    """With every change off, images pass through untouched, still bytes."""
    draws = augmentation.draws(1, 0, 4)
    assert torch.equal(augmentation.move(IMAGES, draws, Augmentation()), IMAGES)
    x = torch.randn(4, 3, 9, 9)
    assert augmentation.erase(x, draws, Augmentation()) is x


def test_draws_are_fixed_by_seed_and_epoch() -> None:
    """An epoch's draws repeat, and differ between epochs and seeds."""
    assert torch.equal(augmentation.draws(1, 2, 5), augmentation.draws(1, 2, 5))
    assert not torch.equal(augmentation.draws(1, 2, 5), augmentation.draws(1, 3, 5))
    assert not torch.equal(augmentation.draws(1, 2, 5), augmentation.draws(2, 2, 5))


def test_a_certain_flip_mirrors() -> None:
    """Probability 1 mirrors every image left to right."""
    flipped = augmentation.move(IMAGES, augmentation.draws(1, 0, 4), Augmentation(horizontal_flip=1.0))
    assert torch.equal(flipped, IMAGES.flip(2))


def test_pad_and_crop_shifts_each_image_by_whole_pixels() -> None:
    """Each result is the image moved by at most the padding, black coming in."""
    cropped = augmentation.move(IMAGES, augmentation.draws(1, 0, 4), Augmentation(pad_crop=2))
    padded = torch.nn.functional.pad(IMAGES, (0, 0, 2, 2, 2, 2))
    for image, source in zip(cropped, padded, strict=True):
        assert any(torch.equal(image, source[top : top + 9, left : left + 9]) for top in range(5) for left in range(5))


def test_turning_by_draws_at_the_middle_changes_nothing() -> None:
    """A draw of one half is no rotation, no shift and no zoom."""
    draws = torch.full((4, 12), 0.5)
    turned = augmentation.move(IMAGES, draws, Augmentation(rotation=30.0, translation=0.3, zoom=0.2))
    torch.testing.assert_close(turned, IMAGES.float(), atol=1e-3, rtol=0)


def test_a_shift_moves_by_its_share_of_the_side() -> None:
    """The extreme draw with translation 1/9 moves a 9 x 9 image by one pixel."""
    draws = torch.full((4, 12), 0.5)
    draws[:, 5] = 1.0
    moved = augmentation.move(IMAGES, draws, Augmentation(translation=1 / 9))
    torch.testing.assert_close(moved[:, :, :-1], IMAGES.float()[:, :, 1:], atol=1e-2, rtol=0)
    assert (moved[:, :, -1] == 0).all()


def test_erasing_sets_rectangles_to_the_mean() -> None:
    """Probability 1 erases a rectangle of at most a third (plus rounding) of every image, and nothing else."""
    x = torch.ones(64, 3, 20, 20)
    erased = augmentation.erase(x, augmentation.draws(1, 0, 64), Augmentation(erase=1.0)) == 0
    share = erased.float().mean((1, 2, 3))
    assert (share > 0).all()
    assert (share < 0.42).all()
    rows, columns = erased[:, 0].any(2), erased[:, 0].any(1)
    assert torch.equal(erased[:, 0], rows[:, :, None] & columns[:, None, :])


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_steps_and_evaluation_without_overlap(world: int) -> None:
    """All processes' positions together are the global batch, and every image is evaluated exactly once."""
    whole = list(step_positions(31, 6, Share(), 1))
    parts = [list(step_positions(31, 6, Share(rank, world), 1)) for rank in range(world)]
    assert len(whole) == 4
    for step, batch in enumerate(whole):
        positions = [position for part in parts for position in range(part[step].start, part[step].stop)]
        assert positions == list(range(batch.start, batch.stop))
    seen = [
        index
        for rank in range(world)
        for part in evaluation_slices(31, 4, Share(rank, world))
        for index in range(part.start, part.stop)
    ]
    assert sorted(seen) == list(range(31))


def test_erasing_with_noise_is_each_images_own() -> None:
    """The rectangle holds standard normal noise, the same whichever images share its batch."""
    x, draws = torch.zeros(64, 3, 12, 12), augmentation.draws(1, 0, 64)
    wanted = Augmentation(erase=1.0, erase_area=[0.3, 0.4], erase_with="noise")
    erased = augmentation.erase(x, draws, wanted)
    inside = erased[erased != 0]
    assert abs(inside.mean()) < 0.05 and abs(inside.std() - 1) < 0.05
    assert torch.equal(augmentation.erase(x[5:9], draws[5:9], wanted), erased[5:9])
