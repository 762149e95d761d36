"""Augment batches of in-memory images; draws are fixed by seed, epoch and position.

Shapes: B batch, N images of an epoch, H height, W width, C channels, D draws per image.
"""

import math

import torch
from torch import Tensor, nn

from autoshrink.params.vision import Augmentation
from autoshrink.runtime import seeds

_DRAWS = 12
_ERASED_ASPECT = (0.3, 1 / 0.3)  # Zhong et al. 2020


def draws(seed: int, epoch: int, count: int) -> Tensor:
    """Return an epoch's uniform numbers, (N, D): row n belongs to the epoch's n-th image, whatever its batch."""
    return torch.rand(count, _DRAWS, generator=seeds.torch_generator(seed, f"epoch/{epoch}/augmentation"))


def move(images_BHWC: Tensor, draws_BD: Tensor, augmentation: Augmentation) -> Tensor:
    """Return the images shifted, mirrored, turned and zoomed at random; what comes in from outside is black.

    Bytes in; bytes out, or floats in [0, 255] where the images were resampled. Images are square.
    """
    if augmentation.pad_crop or augmentation.horizontal_flip:
        images_BHWC = _crop_and_flip(images_BHWC, draws_BD[:, 0:3], augmentation)
    if augmentation.rotation or augmentation.translation or augmentation.zoom:
        images_BHWC = _turn(images_BHWC, draws_BD[:, 3:7], augmentation)
    return images_BHWC


def erase(x_BCHW: Tensor, draws_BD: Tensor, augmentation: Augmentation) -> Tensor:
    """Return normalised images, of which a share ``augmentation.erase`` has lost a random rectangle."""
    if not augmentation.erase:
        return x_BCHW
    _, _, height, width = x_BCHW.shape
    chosen_B, area_B, aspect_B, top_B, left_B = draws_BD[:, 7:12].unbind(1)
    least, greatest = augmentation.erase_area
    area_B = least + area_B * (greatest - least)
    low, high = (math.log(bound) for bound in _ERASED_ASPECT)
    aspect_B = torch.exp(low + aspect_B * (high - low))
    high_B = (height * torch.sqrt(area_B * aspect_B)).clamp(1, height)
    wide_B = (width * torch.sqrt(area_B / aspect_B)).clamp(1, width)
    top_B, left_B = top_B * (height - high_B), left_B * (width - wide_B)
    rows_H = torch.arange(height, device=x_BCHW.device) + 0.5
    columns_W = torch.arange(width, device=x_BCHW.device) + 0.5
    in_rows_BH = (rows_H >= top_B[:, None]) & (rows_H < (top_B + high_B)[:, None])
    in_columns_BW = (columns_W >= left_B[:, None]) & (columns_W < (left_B + wide_B)[:, None])
    mask_BHW = in_rows_BH[:, :, None] & in_columns_BW[:, None, :]
    mask_BHW &= (chosen_B < augmentation.erase)[:, None, None]
    if augmentation.erase_with == "noise":
        return torch.where(mask_BHW[:, None], _noise(draws_BD, x_BCHW), x_BCHW)
    return x_BCHW.masked_fill(mask_BHW[:, None], 0.0)


def _noise(draws_BD: Tensor, like_BCHW: Tensor) -> Tensor:
    """Return standard normal pixels; each image's own, whatever its batch, for its row of draws seeds them."""
    rows = draws_BD.cpu().numpy()
    generators = (torch.Generator().manual_seed(seeds.derive(0, row.tobytes().hex())) for row in rows)
    noise = [torch.randn(like_BCHW.shape[1:], generator=generator) for generator in generators]
    return torch.stack(noise).to(like_BCHW)


def _crop_and_flip(images_BHWC: Tensor, draws_BD: Tensor, augmentation: Augmentation) -> Tensor:
    batch, height, width, _ = images_BHWC.shape
    device, pad = images_BHWC.device, augmentation.pad_crop or 0
    padded_BHWC = nn.functional.pad(images_BHWC, (0, 0, pad, pad, pad, pad))
    offsets_B2 = (draws_BD[:, :2] * (2 * pad + 1)).long().clamp(max=2 * pad)
    rows_BH = offsets_B2[:, :1] + torch.arange(height, device=device)
    columns_W = torch.arange(width, device=device)
    mirrored_B1 = draws_BD[:, 2:3] < (augmentation.horizontal_flip or 0.0)
    columns_BW = offsets_B2[:, 1:] + torch.where(mirrored_B1, columns_W.flip(0), columns_W)
    image_B = torch.arange(batch, device=device)
    return padded_BHWC[image_B[:, None, None], rows_BH[:, :, None], columns_BW[:, None, :]]


def _turn(images_BHWC: Tensor, draws_BD: Tensor, augmentation: Augmentation) -> Tensor:
    angle_B, zoom_B, right_B, down_B = (2 * draws_BD - 1).unbind(1)
    angle_B = angle_B * math.radians(augmentation.rotation or 0.0)
    zoom_B = 1 / (1 + zoom_B * (augmentation.zoom or 0.0))  # the grid goes from output to input
    cosine_B, sine_B = torch.cos(angle_B) * zoom_B, torch.sin(angle_B) * zoom_B
    # the grid's coordinates run from -1 to 1: a side is 2 long
    shift = 2 * (augmentation.translation or 0.0)
    right_B, down_B = right_B * shift, down_B * shift
    theta_B23 = torch.stack([cosine_B, -sine_B, right_B, sine_B, cosine_B, down_B], 1).view(-1, 2, 3)
    x_BCHW = images_BHWC.permute(0, 3, 1, 2).to(theta_B23.dtype)
    grid_BHW2 = nn.functional.affine_grid(theta_B23, list(x_BCHW.shape), align_corners=False)
    y_BCHW = nn.functional.grid_sample(x_BCHW, grid_BHW2, padding_mode="zeros", align_corners=False)
    return y_BCHW.permute(0, 2, 3, 1)
