"""Networks, proxy and full training of image classifiers (paper, sections 3 and 4)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from autoshrink.params.base import Section
from autoshrink.params.search import GrowingOperator
from autoshrink.params.sections import TaskProxy, TaskProxyTraining, TaskReferences, TaskTraining

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
RAND_AUGMENT = r"^rand(-(m|n|p|t|mstd|mmax|inc)[0-9]+(\.[0-9]+)?)*$"
"""What timm reads as a RandAugment policy: the name and settings, each a letter or word and a number."""

REFERENCE_BLOCKS = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v2_x4", "resnet", "shufflenet_v2")
"""Known architectures whose blocks may take a cell's place, for comparison; ``x4`` is MobileNetV2 of expansion 4."""


class ImageNetwork(Section):
    """The network around a cell: stem, stages of stacked cells, optional head, classifier."""

    stem_filters: Annotated[int, Field(ge=1)] = 16
    """Filters of the 3 x 3 stem convolution, before ``channel_scale``."""
    stem_stride: Annotated[int, Field(ge=1, le=4)] = 1
    """Stride of the stem convolution."""
    base_filters: Annotated[int, Field(ge=1)] = 8
    """Filters of a stage of scale 1."""
    stage_scales: Annotated[list[Positive], Field(min_length=1)] = [1.0, 2.0, 4.0]
    """Width of each stage as a multiple of ``base_filters``."""
    stage_cells: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = [1, 1, 1]
    """Number of cells per stage."""
    stage_pools: Annotated[list[Annotated[int, Field(ge=1, le=8)]], Field(min_length=1)] = [1, 2, 2]
    """Max-pool (kernel = stride) at the entry of each stage's first cell; 1 is none."""
    channel_scale: Positive = 1.0
    """Multiplier of every width; widths are then rounded to a multiple of ``channel_divisor``."""
    channel_divisor: Annotated[int, Field(ge=1)] = 4
    """make_divisible(x, d) = max(round(x / d), 1) * d."""
    residual: bool = True
    """Whether a cell adds its input to its output; its leaves are then linear."""
    activation: Literal["relu", "silu"] = "relu"
    """Activation after batch norm (silu is Swish)."""
    head_filters: Annotated[int, Field(ge=0)] = 0
    """Filters of a 1 x 1 convolution before the average pool; 0 is none."""
    node_widths: dict[str, Annotated[int, Field(ge=1)]] = {}
    """Filters of individual nodes that differ from their stage's, such as ``stage0.0.1: 12`` for stage 0, cell 0, node
    1; set by a growing training."""
    residual_layers: dict[str, list[GrowingOperator]] = {}
    """Layers after individual cells, each adding an operator of its input to it, such as ``stage0.0:
    [separable_conv_3x3]`` after cell 0 of stage 0; set by a growing training."""
    background_class: bool = False
    """Add an output for a background class without images (ImageNet's 1,001 classes)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the classifier."""
    batch_norm_momentum: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Momentum of the running statistics in TensorFlow's sense (PyTorch's is one minus it)."""
    batch_norm_epsilon: Positive = 1.0e-5
    """Added to the variance."""
    initialisation: Literal["he_fan_in", "truncated_he_fan_out", "glorot_normal"] = "he_fan_in"
    """Weight initialisation. ``he_fan_in``: normal with variance 2 / fan-in, the classifier Glorot-uniform;
    ``truncated_he_fan_out`` (released, ImageNet): truncated normal with variance 2 / fan-out, the classifier normal
    with deviation 0.01; ``glorot_normal`` (released, search): everywhere."""
    stem_padding: Literal["symmetric", "same"] = "symmetric"
    """As many pixels on every side, or TensorFlow's SAME: at stride 2, on the right and at the bottom only."""
    stem_kernel: Literal[3, 5, 7] = 3
    """Side of the stem convolution's kernel, pixels."""
    stem_separable_filters: Annotated[int, Field(ge=0)] = 0
    """Filters of a separable 3 x 3 convolution after the stem, before ``channel_scale``; 0 is none."""
    cell_end: Literal["concatenate", "project"] = "concatenate"
    """How a cell ends: its leaves are concatenated; or, as in SwiftNet, their concatenation passes through a linear
    1 x 1 convolution, as does the cell's input where ``residual`` adds it, and the activation follows the sum."""
    node_inputs: Literal["concatenate", "add"] = "concatenate"
    """How a node joins its inputs: concatenated (the paper), or added; a cell's input of another width then passes
    through a 1 x 1 convolution first."""
    expansion: Annotated[int, Field(ge=1)] = 4
    """Channels inside an ``inverted_residual``, as a multiple of those that come in."""
    squeeze_excitation: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Squeeze-and-excitation (Hu et al. 2018) after each depthwise convolution of a cell: its inner width as a share of
    the channels; 0 is none."""
    stage_outputs: list[Annotated[int, Field(ge=1)]] | None = None
    """Filters that the cells of each stage end with, before ``channel_scale`` (``cell_end: project`` only)."""

    @property
    def wanted_to_grow(self) -> str | None:
        """What keeps nodes from getting filters and inputs without a change of what the network computes; None:
        nothing does."""
        concatenates = self.cell_end == self.node_inputs == "concatenate"
        if concatenates and not self.stem_separable_filters and not self.squeeze_excitation:
            return None
        return "cell_end concatenate, node_inputs concatenate, stem_separable_filters 0 and squeeze_excitation 0"

    @model_validator(mode="after")
    def _one_entry_per_stage(self) -> "ImageNetwork":
        lengths = {len(self.stage_scales), len(self.stage_cells), len(self.stage_pools)}
        if len(lengths) > 1:
            raise ValueError(
                "stage_scales, stage_cells and stage_pools need one entry per stage each, found "
                f"{len(self.stage_scales)}, {len(self.stage_cells)} and {len(self.stage_pools)}"
            )
        if self.node_inputs == "add" and self.node_widths:
            raise ValueError("node_widths: nodes whose inputs are added have one width; remove it, or node_inputs: add")
        if (self.stage_outputs is not None) != (self.cell_end == "project"):
            raise ValueError(
                f"stage_outputs is for cell_end project, which needs it; found stage_outputs {self.stage_outputs} and "
                f"cell_end {self.cell_end}"
            )
        if self.stage_outputs is not None and len(self.stage_outputs) != len(self.stage_scales):
            raise ValueError(
                f"stage_outputs needs one entry per stage, found {len(self.stage_outputs)} for {len(self.stage_scales)}"
            )
        return self

    @model_validator(mode="after")
    def _layers_follow_cells(self) -> "ImageNetwork":
        cells = [f"stage{stage}.{cell}" for stage, count in enumerate(self.stage_cells) for cell in range(count)]
        for name, operators in self.residual_layers.items():
            if name not in cells:
                raise ValueError(
                    f"residual_layers: there is no cell {name!r} with stage_cells {self.stage_cells}; accepted: "
                    f"{', '.join(cells)}"
                )
            if not operators:
                raise ValueError(f"residual_layers: {name} is empty; accepted: one operator or more, or no {name}")
        return self


class ImageEarlyStop(Section):
    """Early stopping of a candidate's training."""

    patience: Annotated[int, Field(ge=1)] = 5
    """Stop after this many epochs without a new best validation accuracy."""
    floor_accuracy: Fraction = 0.2
    """Stop when validation accuracy is below this ..."""
    floor_epoch: Annotated[int, Field(ge=0)] = 3
    """... at the end of this epoch (counted from 0)."""
    loss_ratio: Positive = 3.0
    """Stop when validation loss exceeds this many times the moving training loss."""
    train_accuracy_ceiling: Fraction = 0.98
    """An epoch ends early once the moving training accuracy exceeds this."""
    moving_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Momentum of the moving training loss and accuracy, per step."""


class ImageProxyTraining(TaskProxyTraining):
    """Training recipe of a candidate."""

    epochs: Annotated[int, Field(ge=1)] = 4
    """Passes over the proxy's training images, at most."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Images per step."""
    fill_last_batch: bool = False
    """Fill an epoch's last partial batch with the images that the epoch began with; else it is dropped."""
    learning_rate: Positive = 8.0e-3
    """Adam's learning rate, constant."""
    weight_decay: Annotated[float, Field(ge=0)] = 1.0e-5
    """L2 penalty, not on depthwise weights, batch norm and biases."""
    projection_weight_decay: Annotated[float, Field(ge=0)] | None = None
    """That of residual projections; null: as ``weight_decay``."""
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"
    """Arithmetic of forward and backward on a CUDA device: ``tf32`` rounds the factors of products to 10 bits of
    mantissa, ``bfloat16`` is autocast; a CPU always computes in float32."""


class ImageProxy(TaskProxy):
    """The proxy that candidates are evaluated on."""

    dataset: str = "mnist5k"
    """Data set, a name from ``datasets``."""
    train_per_class: Annotated[int, Field(ge=1)] = 120
    """Training images per class, drawn without replacement from the training split."""
    validation_per_class: Annotated[int, Field(ge=1)] = 100
    """Validation images per class, held out of the training split."""
    network: ImageNetwork = ImageNetwork(stem_stride=2)
    """The small network around a candidate."""
    training: ImageProxyTraining = ImageProxyTraining()
    """Training recipe."""
    early_stop: ImageEarlyStop = ImageEarlyStop()
    """Early stopping."""


class Augmentation(Section):
    """Augmentation of training images; off by default."""

    pad_crop: Annotated[int, Field(ge=0)] | None = 0
    """Pad by this many pixels and crop back at random (CIFAR's standard is 4). null: as the kind of data asks for,
    an eighth of the side for photographs, else 0."""
    horizontal_flip: Fraction | None = 0.0
    """Probability of a mirror image. null: as the kind of data asks for, 0.5 for photographs, else 0."""
    rotation: Annotated[float, Field(ge=0, le=180)] | None = 0.0
    """Random rotation, up to this many degrees either way. null: as the kind of data asks for, 12 for glyphs, else
    0."""
    translation: Annotated[float, Field(ge=0, lt=1)] | None = 0.0
    """Random shift, up to this share of the image's side. null: as the kind of data asks for, 0.08 for glyphs, else
    0."""
    zoom: Annotated[float, Field(ge=0, lt=1)] | None = 0.0
    """Random scale between 1 - zoom and 1 + zoom. null: as the kind of data asks for, 0.1 for glyphs, else 0."""
    crop_area: Annotated[list[Fraction], Field(min_length=2, max_length=2)] | None = None
    """Random resized crop: least and greatest share of the image's area (``storage: files`` only)."""
    crop_aspect: Annotated[list[Positive], Field(min_length=2, max_length=2)] = [0.75, 4 / 3]
    """Random resized crop: least and greatest width / height."""
    random_resize_kernel: bool = False
    """Draw a resize kernel for each crop (off: bicubic)."""
    color_jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Strength of brightness, saturation, contrast and (a quarter of it) hue changes, in random order."""
    color_brightness: Literal["multiplied", "added"] = "multiplied"
    """How brightness changes: by a factor of 1 - strength to 1 + strength, or (as released) by adding -strength to
    strength, where white is 1."""
    erase: Fraction = 0.0
    """Probability of erasing a random rectangle (Zhong et al. 2020)."""
    erase_area: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = [0.02, 1 / 3]
    """Least and greatest share of the image that is erased."""
    erase_with: Literal["mean", "noise"] = "mean"
    """What fills the rectangle: the mean of normalised images, 0, or standard normal noise."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Mixup's alpha; 0 is none."""
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """CutMix's alpha; 0 is none."""
    rand_augment: Annotated[str, Field(pattern=RAND_AUGMENT)] | None = None
    """A timm RandAugment policy such as ``rand-m9-mstd0.5`` (``storage: files`` only)."""

    @model_validator(mode="after")
    def _ascending(self) -> "Augmentation":
        for key in ("crop_area", "crop_aspect"):
            bounds = getattr(self, key)
            if bounds and bounds[0] > bounds[1]:
                raise ValueError(f"{key} needs the least first and the greatest second, found {bounds}")
        return self


class Growth(Section):
    """Growth of node widths, and of depth, during training, by Firefly descent (Wu et al. 2020)."""

    kind: Literal["firefly", "splitting"] = "firefly"
    """``firefly``: split neurons, new ones and layers, chosen by first-order gains; ``splitting``: split neurons alone,
    chosen by second-order ones (Liu et al. 2019, splitting steepest descent)."""
    rounds: Annotated[int, Field(ge=1)] = 3
    """Number of growth steps."""
    epochs: Annotated[int, Field(ge=1)] = 3
    """Epochs of training before each growth."""
    start: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Initial width of a node, as a share of its stage's."""
    ratio: Annotated[float, Field(gt=0, le=1)] = 0.35
    """Maximum number of neurons added per growth, as a share of those in nodes that can grow."""
    candidates: Annotated[int, Field(ge=0)] = 8
    """New neurons tried per node, besides splitting each existing one (``kind: firefly``)."""
    cost: Literal["macs", "parameters"] = "macs"
    """Cost that gains are weighed against and the budget limits; without batch norm."""
    budget: Annotated[int, Field(ge=1)] | None = None
    """Maximum ``cost`` of the grown network; null: that of the network with uniform widths."""
    depth: GrowingOperator | None = None
    """Operator of the residual layer that each growth tries after each cell; it counts as many neurons as it has
    filters. null: growth in width alone."""
    tuning_steps: Annotated[int, Field(ge=1)] = 30
    """Training batches to tune the candidates on before scoring them."""

    @model_validator(mode="after")
    def _splits_alone(self) -> "Growth":
        if self.kind == "splitting" and self.depth is not None:
            raise ValueError(f"depth {self.depth}: kind splitting adds no layers; accepted: null, or kind: firefly")
        return self


class ImageTraining(TaskTraining):
    """Training recipe of the final model."""

    dataset: str = "mnist5k"
    """Data set to train and test on, a name from ``datasets``."""
    network: ImageNetwork = ImageNetwork(stem_stride=2, base_filters=16)
    """The network around the best cell."""
    image_size: Annotated[int, Field(ge=8, le=1024)] | None = None
    """Side of the training and evaluation crop for ``storage: files``, pixels; null: the data's own size."""
    evaluation_crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Central share of the image that evaluation sees (``storage: files`` only)."""
    pixel_scaling: Literal["standardise", "symmetric"] = "standardise"
    """Subtract the training split's mean and divide by its deviation, or scale to [-1, 1]."""
    epochs: Annotated[int, Field(ge=1)] = 20
    """Passes over the training split."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Images per optimizer step, over all processes and accumulation steps."""
    accumulation_steps: Annotated[int, Field(ge=1)] = 1
    """Forward and backward passes per optimizer step."""
    optimizer: Literal["rmsproptf", "sgd", "adamw", "adam", "lamb"] = "adamw"
    """timm's optimizer of this name."""
    learning_rate: Positive = 8.0e-3
    """Peak learning rate, for the whole batch."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum (Adam's beta1)."""
    optimizer_epsilon: Positive = 1.0e-8
    """The optimizer's epsilon (RMSProp as released: 1.0)."""
    weight_decay: Annotated[float, Field(ge=0)] = 1.0e-4
    """Weight decay, not on batch norm, biases or depthwise weights."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """Shape of the learning rate after warm-up."""
    warmup_epochs: Annotated[float, Field(ge=0)] = 1.0
    """Linear warm-up, in epochs."""
    schedule_per: Literal["step", "epoch"] = "step"
    """Whether the rate changes at every step, with the cosine under the warm-up from the start; or once an epoch, with
    the cosine beginning where the warm-up ends (as released)."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread over all classes."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of the weights' exponential moving average that evaluation uses; 0 is none."""
    ema_statistics: bool = True
    """Average batch norm's running statistics too; otherwise the averaged weights use the current ones."""
    clip_gradient_norm: Annotated[float, Field(ge=0)] = 0.0
    """Maximum gradient norm; 0 is no clipping."""
    sync_batch_norm: bool = False
    """Synchronise batch norm statistics across processes (SyncBatchNorm); costs an exchange per layer."""
    augmentation: Augmentation = Augmentation(
        pad_crop=None, horizontal_flip=None, rotation=None, translation=None, zoom=None
    )
    """Augmentation of training images."""
    growth: Growth | None = None
    """Growth of node widths during training; null: fixed widths."""
    precision: Literal["float32", "tf32", "bfloat16", "float16"] = "bfloat16"
    """Arithmetic of forward and backward on a CUDA device: ``tf32`` rounds the factors of products to 10 bits of
    mantissa, ``bfloat16`` and ``float16`` are autocast; a CPU always computes in float32."""
    validation_per_class: Annotated[int, Field(ge=0)] | None = None
    """Training images per class held out for validation curves and to choose the best epoch; null: a tenth of each
    class; 0: none, and the last epoch is kept."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Stop early after this many epochs without a new best validation accuracy; null: never."""
    class_weights: Literal["none", "balanced"] = "none"
    """``balanced`` weights the loss of each class by images / (classes x images of the class), so that rare and common
    classes count equally."""
    loader_workers: Annotated[int, Field(ge=0)] = 0
    """Decoding processes (``storage: files`` only)."""
    keep_checkpoints: Annotated[int, Field(ge=1)] = 2
    """Checkpoints kept besides the best."""
    checkpoint_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps between checkpoints inside an epoch; 0: only at each epoch's end."""

    def held_out(self, images: int) -> int:
        """Return how many of a class's ``images`` training images are held out."""
        return images // 10 if self.validation_per_class is None else self.validation_per_class

    @property
    def shared_batch(self) -> tuple[int, int]:
        """A step's images, and what each process's part is a multiple of."""
        return self.batch_size, self.accumulation_steps

    @model_validator(mode="after")
    def _contradictions(self) -> "ImageTraining":
        if self.batch_size % self.accumulation_steps:
            raise ValueError(
                f"batch_size {self.batch_size} is not divisible by accumulation_steps {self.accumulation_steps}"
            )
        if self.patience is not None and self.validation_per_class == 0:
            raise ValueError(f"patience {self.patience} needs held-out images: validation_per_class must not be 0")
        if self.schedule_per == "epoch" and self.warmup_epochs % 1:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} must be whole where schedule_per is epoch")
        if self.growth is not None:
            if self.growth.rounds * self.growth.epochs >= self.epochs:
                raise ValueError(
                    f"growth: {self.growth.rounds} rounds of {self.growth.epochs} epochs leave none of epochs "
                    f"{self.epochs} for the grown network"
                )
            if self.network.residual_layers and self.growth.depth:
                raise ValueError("growth: network.residual_layers fixes the layers; remove it, or growth.depth")
            if self.network.node_widths:
                raise ValueError("growth: network.node_widths fixes the widths; remove one of the two")
            if self.network.wanted_to_grow:
                raise ValueError(f"growth: needs a network of {self.network.wanted_to_grow}; accepted otherwise: null")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} must be less than epochs {self.epochs}")
        return self


class ImageReferences(TaskReferences):
    """Which networks a found image classifier is compared with, and at what equal cost."""

    networks: list[str] = ["complete", "mobilenet_v2", "random-0"]
    """Their names: ``complete`` and ``chain``, cells of the search's operators with all edges and with a single path;
    random-0, random-1, ..., cells of the same space; ``shrinkcnn-a`` and ``shrinkcnn-b``, released cells;
    ``mobilenet_v1``, ``mobilenet_v2`` (expansion 6), ``mobilenet_v2_x4`` (expansion 4), ``resnet`` and
    ``shufflenet_v2``, torchvision's blocks in the same stages; and a network of your own as ``module:function``, called
    as ``function(width, channels=..., classes=...)``. [] compares with none."""
