"""List images in WebDataset's tar files: members of one name are one sample, their extensions say what they are.

The format is T. Breuel's, github.com/webdataset/webdataset: a sample's name is the member's path up to the first dot of
its last part.
"""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.params.data import WebDataset
from autoshrink.tasks.raw_data import matching
from autoshrink.tasks.vision.listings import EXTENSIONS, ImageFile, Listing, label_of, listed

Place = tuple[Path, int, int]
"""A tar file, and where in it a member's bytes begin and how many they are."""
_MOST_LABEL = 2**20


def listing(entry: WebDataset, seed: int) -> Listing:
    """Return the images of the shards. Raises DataError, in one line, for what is no shard, or a sample without class.

    An image is read from its place in the tar file, so shards must not be compressed.
    """
    places: dict[str, Place] = {}
    train = list(_samples(entry, entry.train, places))
    test = None if entry.test is None else list(_samples(entry, entry.test, places))

    def read(file: ImageFile) -> bytes:
        return _read(places[file.path])

    return listed(train, test, entry, seed, read, Path(), entry.train)


def _samples(entry: WebDataset, pattern: str, places: dict[str, Place]) -> Iterator[tuple[str, str]]:
    """Yield each sample's image and class; ``places`` receives where the image is."""
    for shard in matching(pattern, (".tar",), "a .tar file, a folder of them, or a pattern"):
        samples: dict[str, dict[str, Place]] = {}
        try:
            with tarfile.open(shard, "r:") as tar:
                for member in tar:
                    if member.isreg() and not Path(member.name).name.startswith("."):
                        head, _, tail = member.name.rpartition("/")
                        stem, _, kind = tail.partition(".")
                        place = (shard, member.offset_data, member.size)
                        parts = samples.setdefault(f"{head}/{stem}" if head else stem, {})
                        if kind.lower() in parts:
                            raise DataError(f"{shard}: has {member.name} twice; a sample needs a name of its own")
                        parts[kind.lower()] = place
                end = tar.offset
            _check_end(shard, end)
        except tarfile.TarError as error:
            raise DataError(
                f"{shard}: is no whole, uncompressed tar file ({' '.join(str(error).split())}); decompress it, or "
                "fetch it again"
            ) from None
        except OSError as error:
            raise DataError(f"{shard}: cannot be read ({error.strerror})") from None
        for name, parts in samples.items():
            images = [kind for kind in parts if f".{kind.rpartition('.')[2]}" in EXTENSIONS]
            if not images and "cls" not in parts:
                continue  # a sample of something else, such as the shard's own description
            kinds = [kind for kind in images if "." not in kind] or images  # 0.jpg, not 0.mask.png beside it
            if len(kinds) != 1:
                raise DataError(
                    f"{shard}/{name}: has {', '.join(sorted(parts))}, of which {len(kinds)} are images that can be "
                    "read; a sample needs exactly one"
                )
            path = f"{shard}/{name}.{kinds[0]}"
            places[path] = parts[kinds[0]]
            yield path, _label(parts, entry.label_key, f"{shard}/{name}")


def _check_end(shard: Path, offset: int) -> None:
    """Make sure that what follows the last member is the end mark: tarfile takes a damaged header for the end.

    Raises tarfile.ReadError.
    """
    with artifacts.opened(shard) as file:
        file.seek(offset)
        found = 0
        while chunk := file.read(2**20):
            if any(chunk):
                raise tarfile.ReadError(f"what follows byte {offset:,} is damaged, or another archive")
            found += len(chunk)
    if found < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("its end is missing")


def _label(parts: dict[str, Place], key: str, where: str) -> str:
    try:
        if "cls" in parts:
            label: object = _read(parts["cls"], _MOST_LABEL).decode().strip()
        elif "json" in parts:
            found = json.loads(_read(parts["json"], _MOST_LABEL))
            value = found.get(key) if isinstance(found, dict) else None
            label = "" if value is None or isinstance(value, list | dict) else value
        else:
            label = ""
    except OSError as error:
        raise DataError(f"{where}: its class cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise DataError(f"{where}: its class is no UTF-8 text or JSON") from None
    if label == "":
        raise DataError(f"{where}: has no class; expected it in .cls, or under {key!r} in .json (label_key)")
    return label_of(label, where, key, is_typed="cls" not in parts)


def _read(place: Place, most: int | None = None) -> bytes:
    path, start, size = place
    if most is not None and size > most:
        raise OSError(27, f"{size:,} bytes; accepted: at most {most:,}")
    with artifacts.opened(path) as file:
        file.seek(start)
        return file.read(size)
