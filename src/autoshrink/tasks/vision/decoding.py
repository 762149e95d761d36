"""Decode image files to upright grey or RGB pixels, for training, prediction and export alike.

docs/how-to/own-data.md has the table of what each of Pillow's modes becomes.
"""

import io
import threading
import warnings

import numpy as np
from PIL import Image, ImageOps

from autoshrink.errors import DataError

MOST_PIXELS = 64_000_000
"""An image of more pixels is refused: decoding it takes up to 9 bytes a pixel."""
LARGE_PIXELS = 8_000_000
"""Images of more pixels than this are decoded one at a time, however many threads there are."""

_WHITE_16 = 65_535
_one_large_image = threading.Lock()


def decode(content: bytes, color: str) -> Image.Image:
    """Return a file's image as RGB (``color`` is ``rgb``) or grey, upright, 8 bits a channel.

    Transparency is laid on white, 16 bits are scaled to 8, and of an animation the first frame is taken. Raises
    DataError, in words that follow the file's name, where the bytes are no image, or one whose white is not known.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata, and on sizes that are bounded here
        try:
            with Image.open(io.BytesIO(content)) as image:
                pixels = image.width * image.height
                if pixels > MOST_PIXELS:
                    raise DataError(
                        f"has {image.width:,} x {image.height:,} pixels; accepted: at most {MOST_PIXELS:,}; reduce it"
                    )
                if pixels <= LARGE_PIXELS:
                    return _upright(image, color)
                with _one_large_image:
                    return _upright(image, color)
        except DataError:
            raise
        except Exception as error:  # a parser of foreign bytes raises whatever they make it raise
            why = " ".join(str(error).split()).replace("<_io.BytesIO object at ", "<").split(" <")[0]
            raise DataError(f"does not decode as an image ({why or type(error).__name__})") from None


def _upright(image: Image.Image, color: str) -> Image.Image:
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    wanted = "RGB" if color == "rgb" else "L"
    eight = _eight_bits(image)
    return eight.copy() if eight.mode == wanted else eight.convert(wanted)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return the image in a mode of 8 bits a channel without transparency."""
    if image.mode.startswith("I;16"):
        return _scaled(np.asarray(image), image.info.get("transparency"))
    if image.mode == "I" and image.format in ("PNG", "PPM"):  # 16 bits, which Pillow keeps in 32 for these formats
        return _scaled(np.asarray(image), image.info.get("transparency"))
    if image.mode in ("I", "F"):
        kind = "32-bit integers" if image.mode == "I" else "floating-point numbers"
        raise DataError(f"holds {kind}, whose white is not known; save it with 8 or 16 bits a channel")
    if image.mode == "LAB":
        raise DataError("is in the colour space LAB, which is not converted; save it as RGB")
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        white = Image.new("RGB", seen.size, "white")
        white.paste(seen, mask=seen)
        return white
    # 1, L, P, RGB, CMYK, YCbCr, HSV: Pillow's own conversion
    return image.convert("RGB") if image.mode not in ("1", "L", "RGB") else image


def _scaled(grey_HW: np.ndarray, transparent: object) -> Image.Image:
    """Return 16-bit grey (H, W) as 8-bit grey, rounded; ``transparent`` is the level that PNG calls transparent."""
    levels_HW = grey_HW.astype(np.int32).clip(0, _WHITE_16)
    if isinstance(transparent, int):
        levels_HW[levels_HW == transparent] = _WHITE_16
    return Image.fromarray(((levels_HW + 128) // 257).astype(np.uint8))
