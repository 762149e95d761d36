"""Images as people have them: folders of several layouts, tables and archives give the same prepared data."""

import csv
import io
import json
import logging
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pytest
from PIL import Image
from pyarrow import parquet
from pydantic import TypeAdapter

from autoshrink.errors import DataError
from autoshrink.params.data import ImageFolder, ImageTable, OwnImages, WebDataset
from autoshrink.tasks.vision import data
from autoshrink.tasks.vision.data import PreparedImages
from autoshrink.tasks.vision.listings import label_of

CLASSES = ("ant", "bee")
Item = tuple[str, str, bytes]
"""File name, class, and bytes of a PNG."""
Build = Callable[[Path, list[Item], list[Item]], dict[str, Any]]


def images(part: str, per_class: int) -> list[Item]:
    """Return small images, no two of which are the same."""
    found = []
    for label, name in enumerate(CLASSES):
        for number in range(per_class):
            grey = 120 * label + 10 * number + (5 if part == "test" else 0)
            file = io.BytesIO()
            Image.fromarray(np.full((9, 9), grey, np.uint8)).save(file, "PNG")
            found.append((f"{part}-{name}-{number}.png", name, file.getvalue()))
    return found


TRAIN, TEST = images("train", 3), images("test", 2)


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def class_folders(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """torchvision's ImageFolder."""
    for part, items in (("train", train), ("val", test)):
        for file, name, content in items:
            write(folder / part / name / file, content)
    return {"source": "imagefolder", "folder": str(folder)}


def tiny_imagenet(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """Tiny-ImageNet-200: boxes beside the training images, one folder and a list for the validation's, and a test
    split without labels."""
    for file, name, content in train:
        write(folder / "train" / name / "images" / file, content)
        write(folder / "train" / name / f"{name}_boxes.txt", b"x 0 0 1 1")
    for file, _, content in test:
        write(folder / "val" / "images" / file, content)
        write(folder / "test" / "images" / f"unlabelled-{file}", content)
    lines = "".join(f"{file}\t{name}\t0\t0\t62\t62\n" for file, name, _ in test)
    write(folder / "val" / "val_annotations.txt", lines.encode())
    return {"source": "imagefolder", "folder": str(folder)}


def hugging_face_csv(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """Hugging Face's image folder: metadata.csv beside the images of a split."""
    for part, items in (("train", train), ("test", test)):
        for file, _, content in items:
            write(folder / part / "deep" / file, content)
        lines = ["file_name,label", *(f"deep/{file},{name}" for file, name, _ in items)]
        write(folder / part / "metadata.csv", "\n".join(lines).encode())
    return {"source": "imagefolder", "folder": str(folder)}


def hugging_face_jsonl(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """The same with metadata.jsonl, and another name for the split."""
    for part, items in (("train", train), ("validation", test)):
        for file, _, content in items:
            write(folder / part / file, content)
        lines = [json.dumps({"file_name": file, "label": name, "width": 9}) for file, name, _ in items]
        write(folder / part / "metadata.jsonl", "\n".join(lines).encode())
    return {"source": "imagefolder", "folder": str(folder)}


def csv_table(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """A table with a column of splits, and paths relative to it."""
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "kind", "part", "by"])
        for part, items in (("train", train), ("val", test)):
            for name, kind, content in items:
                write(folder / "all" / name, content)
                writer.writerow([f"all/{name}", kind, part, "me, myself"])
    columns = {"image_column": "file", "label_column": "kind", "split_column": "part"}
    return {"source": "table", "train": str(folder / "labels.csv"), **columns}


def tsv_tables(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """A table per split, paths relative to a folder."""
    for part, items in (("train", train), ("test", test)):
        for name, _, content in items:
            write(folder / "all" / name, content)
        rows = ["image\tlabel", *(f"{name}\t{kind}" for name, kind, _ in items)]
        write(folder / f"{part}.tsv", "\n".join(rows).encode())
    return {
        "source": "table",
        **{part: str(folder / f"{part}.tsv") for part in ("train", "test")},
        "folder": str(folder / "all"),
    }


def parquet_shards(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """Hugging Face's Parquet: structs of bytes and path, numbered classes with names in the schema, several files."""
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(CLASSES)}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    for part, parts in (("train", [train[:2], train[2:]]), ("test", [test])):
        for number, items in enumerate(parts):
            table = arrow.table(
                {
                    "image": [{"bytes": content, "path": name} for name, _, content in items],
                    "label": [CLASSES.index(kind) for _, kind, _ in items],
                }
            ).replace_schema_metadata(about)
            parquet.write_table(table, folder / f"{part}-{number:05d}-of-{len(parts):05d}.parquet")
    return {"source": "table", "train": str(folder / "train-*.parquet"), "test": str(folder / "test-*.parquet")}


def parquet_bytes(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """Plain bytes in a column, classes by name."""
    for part, items in (("train", train), ("test", test)):
        columns = {"image": [content for *_, content in items], "label": [kind for _, kind, _ in items]}
        parquet.write_table(arrow.table(columns), folder / f"{part}.parquet")
    return {"source": "table", **{part: str(folder / f"{part}.parquet") for part in ("train", "test")}}


def parquet_paths(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """Paths in a column."""
    for part, items in (("train", train), ("test", test)):
        for name, _, content in items:
            write(folder / name, content)
        columns = {"image": [name for name, *_ in items], "label": [kind for _, kind, _ in items]}
        parquet.write_table(arrow.table(columns), folder / f"{part}.parquet")
    return {"source": "table", **{part: str(folder / f"{part}.parquet") for part in ("train", "test")}}


def tar(path: Path, members: list[tuple[str, bytes]]) -> None:
    """Write a tar file."""
    with tarfile.open(path, "w") as file:
        for name, content in members:
            about = tarfile.TarInfo(name)
            about.size = len(content)
            file.addfile(about, io.BytesIO(content))


def webdataset_cls(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """Shards in a folder per split; classes by name in .cls."""
    for part, items in (("train", train), ("test", test)):
        (folder / part).mkdir()
        for number in range(2):
            chosen = items[number::2]
            members = [
                (f"./{index:04d}.{kind}", content)
                for index, (_, name, png) in enumerate(chosen)
                for kind, content in (("png", png), ("cls", f"{name}\n".encode()))
            ]
            tar(folder / part / f"shard-{number}.tar", members)
    return {"source": "webdataset", "train": str(folder / "train"), "test": str(folder / "test")}


def webdataset_json(folder: Path, train: list[Item], test: list[Item]) -> dict[str, Any]:
    """Classes in .json, images with a prefix before their extension."""
    for part, items in (("train", train), ("test", test)):
        members = [
            (f"{index:04d}.{kind}", content)
            for index, (_, name, png) in enumerate(items)
            for kind, content in (("input.png", png), ("json", json.dumps({"kind": name}).encode()))
        ]
        tar(folder / f"{part}.tar", members)
    return {
        "source": "webdataset",
        **{part: str(folder / f"{part}.tar") for part in ("train", "test")},
        "label_key": "kind",
    }


FORMATS: list[Build] = [
    class_folders,
    tiny_imagenet,
    hugging_face_csv,
    hugging_face_jsonl,
    csv_table,
    tsv_tables,
    parquet_shards,
    parquet_bytes,
    parquet_paths,
    webdataset_cls,
    webdataset_json,
]


def prepared(folder: Path, settings: dict[str, Any], seed: int = 1) -> PreparedImages:
    """Return the data set that these settings describe, prepared."""
    settings = {"image_size": 8, "color": "grey", **settings}
    entry = TypeAdapter[OwnImages](ImageFolder | ImageTable | WebDataset).validate_python(settings)
    out = folder / "prepared"
    data.prepare("own", entry, out, folder, seed)
    return data.load(out)


@pytest.mark.parametrize("build", FORMATS)
def test_every_format_gives_the_same_images(tmp_path: Path, build: Build) -> None:
    """Classes, splits, pixels and labels are those that were put in."""
    (tmp_path / "raw").mkdir()
    found = prepared(tmp_path, build(tmp_path / "raw", TRAIN, TEST))
    assert found.classes == CLASSES
    for part, items in (("train", TRAIN), ("test", TEST)):
        split = found.split(part)  # type: ignore[arg-type]
        got = {(int(pixels[0, 0, 0]), CLASSES[label]) for pixels, label in zip(*_of(split), strict=True)}
        with_grey = {(int(np.asarray(Image.open(io.BytesIO(content)))[0, 0]), name) for _, name, content in items}
        assert got == with_grey and len(split.labels_N) == len(items)


def _of(split: data.Split) -> tuple[Any, Any]:
    return split.images_NHWC, split.labels_N.tolist()


@pytest.mark.parametrize("build", [csv_table, parquet_bytes, webdataset_cls])
def test_without_a_test_split_a_share_of_each_class_is_held_out(tmp_path: Path, build: Build) -> None:
    """Drawn by name, so that the same images are drawn again."""
    (tmp_path / "raw").mkdir()
    settings = build(tmp_path / "raw", TRAIN, TEST) | {"test": None, "split_column": None}
    if settings["source"] == "webdataset":
        del settings["split_column"]
    found = prepared(tmp_path, settings)
    held_out = found.manifest.class_balance["test"]
    assert held_out == (1, 1)
    assert sum(found.manifest.class_balance["train"]) + 2 == len(TRAIN) + (len(TEST) if build is csv_table else 0)


def test_validation_images_are_trained_on_where_there_are_test_images(tmp_path: Path) -> None:
    """A table of three splits gives two: the pipeline holds its own validation images out."""
    rows = [(name, kind, "train") for name, kind, _ in TRAIN] + [
        (name, kind, "test" if number % 2 else "val") for number, (name, kind, _) in enumerate(TEST)
    ]
    for name, _, content in TRAIN + TEST:
        write(tmp_path / name, content)
    (tmp_path / "t.csv").write_text("image,label,split\n" + "".join(f"{','.join(row)}\n" for row in rows))
    settings = {"source": "table", "train": str(tmp_path / "t.csv"), "split_column": "split"}
    assert prepared(tmp_path, settings).manifest.counts == {"train": 8, "test": 2}


def test_numbered_classes_are_in_the_numbers_order(tmp_path: Path) -> None:
    """Class 10 comes after class 9."""
    members = []
    for number in (9, 10, 100):
        for item in range(2):
            png = io.BytesIO()
            Image.fromarray(np.full((9, 9), 2 * number + item, np.uint8)).save(png, "PNG")
            members += [(f"{number}-{item}.png", png.getvalue()), (f"{number}-{item}.cls", str(number).encode())]
    tar(tmp_path / "a.tar", members)
    found = prepared(tmp_path, {"source": "webdataset", "train": str(tmp_path / "a.tar")})
    assert found.classes == ("9", "10", "100")


def _csv(text: str) -> Callable[[Path], dict[str, Any]]:
    def build(folder: Path) -> dict[str, Any]:
        for name, _, content in TRAIN:
            write(folder / name, content)
        (folder / "t.csv").write_text(text)
        return {"source": "table", "train": str(folder / "t.csv")}

    return build


def _tar(members: list[tuple[str, bytes]]) -> Callable[[Path], dict[str, Any]]:
    def build(folder: Path) -> dict[str, Any]:
        tar(folder / "a.tar", members)
        return {"source": "webdataset", "train": str(folder / "a.tar")}

    return build


def _file(source: str, name: str, content: bytes) -> Callable[[Path], dict[str, Any]]:
    def build(folder: Path) -> dict[str, Any]:
        write(folder / name, content)
        return {"source": source, "train": str(folder / name)}

    return build


def _annotations(text: str) -> Callable[[Path], dict[str, Any]]:
    def build(folder: Path) -> dict[str, Any]:
        settings = tiny_imagenet(folder, TRAIN, TEST)
        (folder / "val" / "val_annotations.txt").write_text(text)
        return settings

    return build


def _metadata(text: str) -> Callable[[Path], dict[str, Any]]:
    def build(folder: Path) -> dict[str, Any]:
        settings = hugging_face_csv(folder, TRAIN, TEST)
        (folder / "train" / "metadata.csv").write_text(text)
        return settings

    return build


def _labels(labels: list[Any]) -> Callable[[Path], dict[str, Any]]:
    def build(folder: Path) -> dict[str, Any]:
        columns = {"image": [content for *_, content in TRAIN[: len(labels)]], "label": labels}
        parquet.write_table(arrow.table(columns), folder / "t.parquet")
        return {"source": "table", "train": str(folder / "t.parquet")}

    return build


def test_a_class_may_be_called_nan_where_values_have_types() -> None:
    """In Parquet and JSON "nan" is text; a missing value is null or a number."""
    for name in ("nan", "NA", "<NA>", "NaT"):
        assert label_of(name, "row 1", "label", is_typed=True) == name
    assert label_of(0, "row 1", "label", is_typed=True) == "0"
    for missing in (None, float("nan"), "", "  "):
        with pytest.raises(DataError, match=r"row 1: has no label.*; give every image a class$"):
            label_of(missing, "row 1", "label", is_typed=True)


def _one_image(folder: Path) -> dict[str, Any]:
    for _, name, content in TRAIN[2:4]:
        write(folder / name / "only.png", content)
    return {"source": "imagefolder", "folder": str(folder)}


PNG = TRAIN[0][2]


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (_csv("image,label\nnowhere.png,ant\n"), "row 1: there is no file"),
        (_csv("images,label\na.png,ant\n"), "has no column 'image'; found images, label"),
        (_csv("image,label\ntrain-ant-0.png,\n"), "row 1: has no label; give every image a class"),
        (
            _csv("image,label\ntrain-ant-0.png,NaN\n"),
            "row 1: has no label (it is NaN); give every image a class, and if one is called NaN, rename it or",
        ),
        (_csv("image,label\ntrain-ant-0.png,ant\ntrain-bee-0.png,bee,3\n"), "row 2: has 3 fields, the header has 2"),
        (_csv("image,label\ntrain-ant-0.png,x,ant\n" * 2), "row 1: has 3 fields, the header has 2"),
        (_csv("image,label,by\ntrain-ant-0.png,ant\n"), "row 1: has 2 fields, the header has 3"),
        (_metadata("file_name,label\ntrain-ant-0.png,ant,3\n"), "metadata.csv, row 1: has 3 fields, the header has 2"),
        (_labels([["ant"], ["bee"]]), "row 1: its label is ['ant'], no name or number; give every image one class"),
        (_labels([b"ant", b"bee"]), "row 1: its label is b'ant', no name or number; give every image one class"),
        (
            _tar([("1.png", PNG), ("1.cls", b"nan")]),
            "a.tar/1: has no label (it is nan); give every image a class, and if",
        ),
        (
            _tar([("1.png", PNG), ("1.json", b'{"label": NaN}')]),
            "a.tar/1: has no label (it is nan); give every image a",
        ),
        (_metadata("file_name,label\ntrain-ant-0.png,<NA>\n"), "image 1: has no label (it is <NA>); give every image"),
        (_labels([1.0, float("nan")]), "row 2: has no label (it is nan)"),
        (_csv("image,label\ntrain-ant-0.png,ant\n"), "has 1 classes (ant); at least 2 are needed"),
        (_csv("image,label\n" + 2 * "train-ant-0.png,ant\n" + "train-bee-0.png,bee\n"), "train-ant-0.png twice"),
        (_csv('image,label\n"broken'), "is no table"),
        (_csv(""), "is no table"),
        (_file("table", "t.csv", b"image,label\n\xff\xfe,a"), "is no table"),
        (_file("table", "t.parquet", b"PAR1 no"), "cannot be read as Parquet"),
        (_file("table", "t.xlsx", b""), "is none of .csv, .tsv, .parquet"),
        (_file("webdataset", "a.tar", b"no tar"), "is no whole, uncompressed tar file"),
        (_file("webdataset", "a.tar.gz", b""), "is none of .tar"),
        (_tar([("1.png", PNG)]), "a.tar/1: has no class; expected it in .cls, or under 'label' in .json"),
        (_tar([("1.png", PNG), ("1.json", b"{")]), "a.tar/1: its class is no UTF-8 text or JSON"),
        (_tar([("1.png", PNG), ("1.json", b'{"label": [1]}')]), "a.tar/1: has no class"),
        (_tar([("readme.txt", b"no image")]), "has 0 classes; at least 2 are needed"),
        (
            _tar([(f"{n}.{k}", c) for n in "12" for k, c in (("png", b"no image"), ("cls", n.encode()))] * 2),
            "twice",
        ),
        (_annotations("test-ant-0.png\tcow\t0\n"), "val_annotations.txt, line 1: 'test-ant-0.png\\tcow\\t0' does not"),
        (_annotations("absent.png\tant\n"), "val_annotations.txt, line 1: there is no file"),
        (_annotations(""), "val_annotations.txt: names no image"),
        (_one_image, "class 'ant' has one image; it needs 2 at least"),
        (lambda folder: {"source": "table", "train": str(folder / "*.csv")}, "*.csv: there is no such file"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, build: Callable[[Path], dict[str, Any]], said: str) -> None:
    """Each names the file, and the row or sample, and what is accepted."""
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError) as raised:
        prepared(tmp_path, build(tmp_path / "raw"))
    line = str(raised.value)
    assert said in line and "\n" not in line


@pytest.mark.parametrize("damage", ["header", "cut", "joined"])
def test_a_damaged_shard_loses_no_image_in_silence(tmp_path: Path, damage: str) -> None:
    """tarfile takes a damaged header, a missing end or a second archive for the end of the first."""
    settings = webdataset_json(tmp_path, TRAIN, TEST)
    path = tmp_path / "train.tar"
    content = path.read_bytes()
    third = 512 * sum(2 + (len(item[2]) + 511) // 512 + 1 for item in TRAIN[:1])
    changed = {
        "header": content[:third] + b"\xff" + content[third + 1 :],
        "cut": content[:third],
        "joined": content + content,
    }[damage]
    path.write_bytes(changed)
    with pytest.raises(DataError, match=r"train\.tar: is no whole, uncompressed tar file"):
        prepared(tmp_path, settings)


@pytest.mark.parametrize("kinds", [["heic", "cls"], ["png", "jpg", "cls"], ["left.png", "right.png", "cls"]])
def test_a_sample_without_its_one_image_is_told(tmp_path: Path, kinds: list[str]) -> None:
    """None that can be read, or several to choose from."""
    tar(tmp_path / "a.tar", [(f"1.{kind}", PNG) for kind in kinds])
    with pytest.raises(DataError, match=r"a\.tar/1: has .* a sample needs exactly one"):
        prepared(tmp_path, {"source": "webdataset", "train": str(tmp_path / "a.tar")})


def test_an_image_goes_before_what_is_named_after_it(tmp_path: Path) -> None:
    """0.png is the image, 0.depth.png beside it is not, whichever comes first in the archive."""
    members = []
    for number, (_, name, content) in enumerate(TRAIN):
        members += [(f"{number}.depth.png", PNG), (f"{number}.png", content), (f"{number}.cls", name.encode())]
    tar(tmp_path / "a.tar", members)
    found = prepared(tmp_path, {"source": "webdataset", "train": str(tmp_path / "a.tar")})
    assert sum(found.manifest.counts.values()) == len(TRAIN)


def test_a_test_folder_is_the_test_split_beside_a_validation_folder(tmp_path: Path) -> None:
    """What is trained or chosen on never becomes the test."""
    settings = class_folders(tmp_path / "raw", TRAIN, TEST)
    (tmp_path / "raw/val").rename(tmp_path / "raw/test")
    for file, name, content in TRAIN[1::3]:
        write(tmp_path / "raw/validation" / name / file, content)
    assert prepared(tmp_path, settings).manifest.counts == {"train": len(TRAIN), "test": len(TEST)}


@pytest.mark.parametrize("header", ["image_id,age", "file_name,text"])
def test_a_list_that_names_no_classes_changes_nothing(tmp_path: Path, header: str) -> None:
    """Captions, or facts about images, may lie beside folders of classes."""
    settings = class_folders(tmp_path / "raw", TRAIN, TEST)
    for part in ("train", "val"):
        write(tmp_path / "raw" / part / "metadata.csv", f"{header}\na,b\n".encode())
    assert prepared(tmp_path, settings).classes == CLASSES


@pytest.mark.parametrize("names", [["bee", "ant"], ["ant", "ant"], ["ant"]])
def test_files_that_call_classes_otherwise_are_refused(tmp_path: Path, names: list[str]) -> None:
    """One number means one class in all files, and each has a name."""
    settings = parquet_shards(tmp_path, TRAIN, TEST)
    path = tmp_path / "train-00001-of-00002.parquet"
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": names}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    parquet.write_table(parquet.read_table(path).replace_schema_metadata(about), path)
    with pytest.raises(DataError, match=r"two classes have one name, or another|has no name among"):
        prepared(tmp_path, settings)


def test_one_key_says_what_the_test_split_is(tmp_path: Path) -> None:
    """A table of tests and a column of splits could disagree."""
    settings = csv_table(tmp_path, TRAIN, TEST) | {"test": "other.csv"}
    with pytest.raises(ValueError, match=r"test and split_column both say"):
        prepared(tmp_path, settings)


def test_blanks_around_labels_make_no_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are taken off, and one line says so."""
    settings = _csv("image,label\n" + "".join(f"{name}, {kind} \n" for name, kind, _ in TRAIN))(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert prepared(tmp_path, settings).classes == CLASSES
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}/t.csv: 6 labels have blanks around them, such as ' ant ', which are taken off"
    ]


def test_a_large_parquet_file_is_not_held_in_memory(tmp_path: Path) -> None:
    """Pages of it are read when their images are decoded, though it be one row group; each image is its row's."""
    side, count = 256, 120
    generator = np.random.default_rng(0)
    columns: dict[str, list[Any]] = {"image": [], "label": []}
    for number in range(count):
        file = io.BytesIO()
        pixels = generator.integers(0, 256, (side, side), np.uint8)
        pixels[: side // 2] = number
        Image.fromarray(pixels).save(file, "BMP")
        columns["image"].append({"bytes": file.getvalue(), "path": None})
        columns["label"].append(number % 2)
    pages = {"write_batch_size": 8, "data_page_size": 2**18, "use_dictionary": False}
    parquet.write_table(arrow.table(columns), tmp_path / "t.parquet", row_group_size=count, compression="none", **pages)
    del columns
    settings = {"source": "table", "train": str(tmp_path / "t.parquet")}
    pool = arrow.system_memory_pool()
    before = arrow.default_memory_pool()
    arrow.set_memory_pool(pool)
    try:
        found = prepared(tmp_path, settings)
    finally:
        arrow.set_memory_pool(before)
    assert pool.max_memory() < (tmp_path / "t.parquet").stat().st_size / 2
    for part in ("train", "test"):
        split = found.split(part)  # type: ignore[arg-type]
        assert (split.images_NHWC[:, 1, 4, 0] % 2 == split.labels_N).all()
    both = np.concatenate([found.split(part).images_NHWC[:, 1, 4, 0] for part in ("train", "test")])  # type: ignore[arg-type]
    assert sorted(both.tolist()) == list(range(count))


def _copied(folder: Path, copies: dict[str, str]) -> dict[str, Any]:
    """Return the settings of a table of all images whose ``copies`` have another one's pixels."""
    by_name = {name: content for name, _, content in TRAIN + TEST}
    rows = [(name, kind) for name, kind, _ in TRAIN + TEST]
    for name, _ in rows:
        write(folder / name, by_name[copies.get(name, name)])
    (folder / "t.csv").write_text("image,label\n" + "".join(f"{name},{kind}\n" for name, kind in rows))
    return {"source": "table", "train": str(folder / "t.csv")}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("copies", "said"),
    [
        ({"train-bee-1.png": "test-ant-1.png"}, "but of class 'bee', not 'ant'; remove the wrong one, or set"),
        ({"train-ant-1.png": "test-ant-1.png"}, "and one might be trained on, the other tested on; remove the copies"),
    ],
)
def test_no_seed_decides_whether_copies_are_refused(
    tmp_path: Path, seed: int, copies: dict[str, str], said: str
) -> None:
    """Where the pipeline draws the test split a copy is refused on whichever side it falls, or left out when asked."""
    settings = _copied(tmp_path, copies)
    with pytest.raises(DataError) as raised:
        prepared(tmp_path, settings, seed)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    found = prepared(tmp_path, settings | {"shared_images": "skip"}, seed).manifest
    skipped = {"train-bee-1.png", "test-ant-1.png"} if "train-bee-1.png" in copies else {"train-ant-1.png"}
    assert {Path(name).name for name in found.skipped.files} == skipped
    assert found.class_balance["test"] == (1, 1)
    assert sum(found.counts.values()) + found.skipped.count == len(TRAIN) + len(TEST)
