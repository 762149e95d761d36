"""Build a recipe's parts with timm and torchvision: optimizer, learning rate, loss, mixing, averaged weights.

Shapes: B batch, C channels, H height, W width, N classifier outputs.
"""

from collections.abc import Callable
from functools import partial

import torch
from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.scheduler.scheduler import Scheduler
from timm.scheduler.step_lr import StepLRScheduler
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torchvision.transforms import v2

from autoshrink.params.vision import ImageTraining
from autoshrink.tasks.vision.network import decay_groups


def optimizer(module: nn.Module, recipe: ImageTraining) -> torch.optim.Optimizer:
    """Return timm's optimizer of the recipe's name over the module's weights, decayed as ``decay_groups`` says."""
    make = partial(
        create_optimizer_v2,
        decay_groups(module, recipe.weight_decay),
        opt=recipe.optimizer,
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
    )
    if recipe.optimizer != "sgd":
        make = partial(make, eps=recipe.optimizer_epsilon)
    if recipe.optimizer in ("adam", "adamw", "lamb"):
        make = partial(make, betas=(recipe.momentum, 0.999))
    if recipe.optimizer in ("adam", "adamw"):
        make = partial(make, fused=True)
    made: torch.optim.Optimizer = make()
    return made


def schedule(optimizer: torch.optim.Optimizer, recipe: ImageTraining, steps_per_epoch: int) -> Scheduler:
    """Return the learning rate's schedule; ``step_update(n)`` sets the rate of the n-th step, counted from 1."""
    if recipe.schedule_per == "epoch":
        return _per_epoch(optimizer, recipe)
    steps = recipe.epochs * steps_per_epoch
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    make = (
        partial(StepLRScheduler, decay_t=steps + 1)
        if recipe.schedule == "constant"
        else partial(CosineLRScheduler, t_initial=steps + 1)
    )
    return make(optimizer, t_in_epochs=False, warmup_t=warmup, warmup_lr_init=0.0)


def _per_epoch(optimizer: torch.optim.Optimizer, recipe: ImageTraining) -> Scheduler:
    """Return the released schedule: one rate an epoch, and a cosine that begins where the warm-up ends."""
    warmup = round(recipe.warmup_epochs)
    make = (
        partial(StepLRScheduler, decay_t=recipe.epochs + 1)
        if recipe.schedule == "constant"
        else partial(CosineLRScheduler, t_initial=recipe.epochs - warmup)
    )
    return make(optimizer, warmup_t=warmup, warmup_lr_init=0.0, warmup_prefix=True)


def averaged(module: nn.Module, recipe: ImageTraining) -> ModelEmaV3 | None:
    """Return the exponential moving average of the module's weights (and statistics), or None where there is none."""
    if not recipe.ema_decay:
        return None
    return ModelEmaV3(module, decay=recipe.ema_decay, exclude_buffers=not recipe.ema_statistics)


def mixing(recipe: ImageTraining, outputs: int) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None:
    """Return what mixes a batch (images (B, C, H, W), targets (B,)) into one with soft targets (B, N), or None.

    It draws from torch's global generator, which the training loop sets for every step by name.
    """
    kinds: list[nn.Module] = []
    if recipe.augmentation.mixup:
        kinds.append(v2.MixUp(alpha=recipe.augmentation.mixup, num_classes=outputs))
    if recipe.augmentation.cutmix:
        kinds.append(v2.CutMix(alpha=recipe.augmentation.cutmix, num_classes=outputs))
    return v2.RandomChoice(kinds) if kinds else None
