"""Every one of Pillow's modes is converted to what a person sees, or refused in one line."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from autoshrink.errors import DataError
from autoshrink.tasks.vision.decoding import MOST_PIXELS, decode


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def pixels(content: bytes, color: str = "rgb") -> NDArray[np.uint8]:
    """Return what the decoder makes of a file, (H, W, 3) or (H, W)."""
    return np.asarray(decode(content, color))


def first_pixel(content: bytes) -> tuple[int, ...]:
    assert pixels(content, "grey").ndim == 2
    return tuple(pixels(content)[0, 0].tolist())


ANIMATION: dict[str, Any] = {"save_all": True, "append_images": [Image.new("RGB", (4, 4))]}


def palette(transparent: bool) -> bytes:
    """A palette image of one colour, orange, which may be transparent."""
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 255, 128, 0])
    options: dict[str, Any] = {"transparency": 1} if transparent else {}
    return encoded(image, **options)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(encoded(Image.new("1", (4, 4), 1)), (255, 255, 255), id="1"),
        pytest.param(encoded(Image.new("L", (4, 4), 77)), (77, 77, 77), id="L"),
        pytest.param(encoded(Image.new("L", (4, 4), 77), transparency=77), (255, 255, 255), id="L, transparent"),
        pytest.param(encoded(Image.new("LA", (4, 4), (0, 0))), (255, 255, 255), id="LA, transparent"),
        pytest.param(encoded(Image.new("LA", (4, 4), (100, 255))), (100, 100, 100), id="LA, opaque"),
        pytest.param(palette(False), (255, 128, 0), id="P"),
        pytest.param(palette(True), (255, 255, 255), id="P, transparent"),
        pytest.param(encoded(Image.new("PA", (4, 4)), "TIFF"), (255, 255, 255), id="PA"),
        pytest.param(encoded(Image.new("RGB", (4, 4), (1, 2, 3))), (1, 2, 3), id="RGB"),
        pytest.param(
            encoded(Image.new("RGB", (4, 4), (1, 2, 3)), transparency=(1, 2, 3)), (255, 255, 255), id="RGB, transparent"
        ),
        pytest.param(encoded(Image.new("RGBA", (4, 4), (200, 0, 0, 0))), (255, 255, 255), id="RGBA, transparent"),
        pytest.param(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 51))), (204, 204, 204), id="RGBA, a fifth opaque"),
        pytest.param(encoded(Image.new("RGBA", (4, 4), (9, 8, 7, 255))), (9, 8, 7), id="RGBA, opaque"),
        pytest.param(encoded(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF"), (255, 0, 0), id="CMYK"),
        pytest.param(encoded(Image.new("RGB", (4, 4), (0, 255, 0)).convert("YCbCr"), "TIFF"), (0, 255, 1), id="YCbCr"),
        pytest.param(encoded(Image.new("I;16", (4, 4), 32_896)), (128, 128, 128), id="I;16"),
        pytest.param(encoded(Image.new("I;16", (4, 4), 300)), (1, 1, 1), id="I;16, dark"),
        pytest.param(encoded(Image.new("I;16B", (4, 4), 65_535), "TIFF"), (255, 255, 255), id="I;16B"),
        pytest.param(b"P5 4 4 65535\n" + b"\x80\x80" * 16, (128, 128, 128), id="I, 16-bit PGM"),
        pytest.param(
            encoded(
                Image.new("RGB", (4, 4), (5, 6, 7)), "GIF", save_all=True, append_images=[Image.new("RGB", (4, 4))]
            ),
            (5, 6, 7),
            id="animated",
        ),
    ],
)
def test_a_mode_is_converted(content: bytes, expected: tuple[int, ...]) -> None:
    """The first pixel is what a person sees, within one level."""
    assert np.abs(np.subtract(first_pixel(content), expected)).max() <= 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(encoded(Image.new("I", (4, 4), 7), "TIFF"), "32-bit integers, whose white is not known", id="I"),
        pytest.param(encoded(Image.new("F", (4, 4), 0.5), "TIFF"), "floating-point numbers, whose white", id="F"),
        pytest.param(encoded(Image.new("LAB", (4, 4)), "TIFF"), "colour space LAB", id="LAB"),
        pytest.param(b"", "does not decode", id="empty"),
        pytest.param(b"no image", "does not decode", id="text"),
        pytest.param(encoded(Image.new("RGB", (64, 64)))[:60], "does not decode", id="truncated"),
    ],
)
def test_a_mode_without_a_known_white_is_refused(content: bytes, why: str) -> None:
    """What cannot be converted rightly is refused, in one line, for both colours."""
    for color in ("rgb", "grey"):
        with pytest.raises(DataError, match=why) as caught:
            decode(content, color)
        assert "\n" not in str(caught.value)


def test_sixteen_bits_keep_their_mean() -> None:
    """A ramp over all 16-bit levels has the mean of a ramp: it is scaled, not cut off."""
    ramp_HW = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    found = pixels(encoded(Image.fromarray(ramp_HW)), "grey")
    assert abs(found.mean() / 255 - 0.5) < 1e-3
    assert np.array_equal(found, np.rint(ramp_HW / 257))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_stands_upright(orientation: int) -> None:
    """Whatever way the camera was held, the bright corner ends where EXIF says it belongs."""
    upright_HW = np.zeros((16, 32), np.uint8)
    upright_HW[:8, :8] = 255
    upright = Image.fromarray(upright_HW).convert("RGB")
    # what a camera stores is the inverse of what a viewer does
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = pixels(encoded(stored, "JPEG", exif=exif, quality=95), "grey")
    assert found.shape == (16, 32)
    assert np.abs(found.astype(int) - upright_HW).max() < 40


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims this size and has next to no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(13_000, 13_000), (65_000, 65_000), (MOST_PIXELS + 1, 1)])
def test_too_large_an_image_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    """169 megapixels and more are refused by their header, with what is accepted."""
    with pytest.raises(DataError, match=r"pixels; accepted: at most 64,000,000; reduce it|decompression bomb"):
        decode(png_header(*size), "rgb")


SEEDS = [
    encoded(Image.new("RGB", (9, 7), (1, 2, 3)), format)
    for format in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
]


@settings(max_examples=300, deadline=None)
@given(
    content=st.sampled_from(SEEDS), places=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8)
)
def test_any_bytes_end_in_pixels_or_in_one_line(content: bytes, places: list[tuple[int, int]]) -> None:
    """Whatever is altered in a file of any format, it decodes to 8-bit pixels or is refused in one line."""
    altered = bytearray(content)
    for place, value in places:
        altered[place % len(altered)] = value
    try:
        assert decode(bytes(altered), "rgb").mode == "RGB"
    except DataError as error:
        assert "\n" not in str(error)
