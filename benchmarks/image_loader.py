"""What feeds a device: images per second of decoding and augmenting alone, beside those of training on them.

    python benchmarks/image_loader.py --folder IMAGES --workers 0 --workers 2 --out benchmarks/results/FILE.json

IMAGES is a folder of class folders (train/ and val/). Both use the paper's ImageNet recipe at 224 pixels, training with
the released ShrinkCNN-A network. Training can go no faster than the slower of the two.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch

import autoshrink.params as params
from autoshrink.cells import released
from autoshrink.params.data import ImageFolder
from autoshrink.params.root import Compute
from autoshrink.runtime import devices
from autoshrink.runtime.processes import Share
from autoshrink.tasks.vision import data, network, recipe, splits


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True)
@click.option("--workers", type=int, multiple=True, default=[0])
@click.option("--batch", type=int, default=32)
@click.option("--steps", type=int, default=6)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(folder: Path, workers: tuple[int, ...], batch: int, steps: int, device: Any, out: Path) -> None:
    parameters = params.load([Path("params.default.yaml"), Path("workflow/presets/paper.yaml")])
    chosen = devices.pick(Compute(device=device, threads=1, deterministic=False))
    entry = ImageFolder(source="imagefolder", folder=str(folder), storage="files")
    result: dict[str, Any] = {"batch": batch, "torch": torch.__version__, "loader_images_per_second": {}}
    result["device"] = torch.cuda.get_device_name() if chosen.type == "cuda" else "cpu, 1 thread"
    with tempfile.TemporaryDirectory() as scratch:
        data.prepare("images", entry, Path(scratch), Path(scratch), parameters.seed)
        images = data.load(Path(scratch))
        for count in workers:
            how = parameters.training.cnn.model_copy(update={"batch_size": batch, "loader_workers": count})
            feed, _ = splits.training_feeds(images, how, parameters.seed, Share(), chosen)
            batches = feed.training_batches(how, parameters.seed, 0, 0)
            next(batches)  # starting the workers is paid once
            started, seen = time.perf_counter(), 0
            for _, labels_B in batches:
                seen += len(labels_B)
            rate = seen / (time.perf_counter() - started)
            result["loader_images_per_second"][str(count)] = round(rate, 1)
            click.echo(f"{count} workers: {rate:.0f} images/s decoded and augmented")

        cell = released.load("shrinkcnn-a").cell
        module = network.build(cell, how.network, 3, len(images.classes), parameters.seed)
        module = module.to(chosen).to(memory_format=torch.channels_last)
        optimizer = recipe.optimizer(module, how)
        x_BCHW = torch.randn(batch, 3, 224, 224, device=chosen).to(memory_format=torch.channels_last)
        labels_B = torch.zeros(batch, dtype=torch.long, device=chosen)
        started = time.perf_counter()
        for step in range(steps + 1):
            if step == 1:
                _finish(chosen)
                started = time.perf_counter()
            with torch.autocast(chosen.type, torch.bfloat16, enabled=chosen.type == "cuda"):
                loss = torch.nn.functional.cross_entropy(module(x_BCHW), labels_B)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
        _finish(chosen)
        rate = steps * batch / (time.perf_counter() - started)
    result["training_images_per_second"] = round(rate, 1)
    click.echo(f"training on images already there: {rate:.1f} images/s")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
