"""Fuzzing of the reader of .npy files: any bytes are an array of their own size, or a ValueError in words."""

import io
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from autoshrink.files import arrays

KINDS = st.sampled_from([np.uint8, np.int32, np.int64, np.float32, np.float64, np.bool_])


def saved(array: np.ndarray) -> bytes:
    """Return what np.save writes."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def headed(header: bytes, body: bytes = b"") -> bytes:
    """Return a .npy file of version 1.0 with this header."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


@settings(max_examples=50)
@given(arrays_of.arrays(KINDS, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
def test_what_numpy_saves_is_read_back(array: np.ndarray) -> None:
    for each in (array, np.asfortranarray(array)):
        found = arrays.parse(saved(each))
        assert found.dtype == each.dtype and found.shape == each.shape and found.tobytes() == each.tobytes()


@settings(max_examples=150)
@given(
    content=st.binary(max_size=80)
    | st.text(alphabet="{}'descr:<f4|O(),shape fortran_order TrueFalse0123456789[]\n\\", max_size=90).map(
        lambda text: headed(text.encode())
    )
    | st.tuples(
        st.sampled_from(["<f4", "|u1", "<i8", "|O", "<U9", "|V0", "nonsense", ""]),
        st.lists(st.integers(-(2**70), 2**70), max_size=4).map(tuple),
        st.binary(max_size=16),
    ).map(lambda of: headed(f"{{'descr': {of[0]!r}, 'fortran_order': False, 'shape': {of[1]!r}}}\n".encode(), of[2]))
)
def test_any_bytes_are_an_array_or_a_value_error(content: bytes) -> None:
    """A header that lies about sizes asks for no memory; objects are never unpickled."""
    try:
        found = arrays.parse(content)
    except ValueError as error:
        assert str(error)
    else:
        assert found.nbytes <= len(content) and not found.dtype.hasobject


def test_a_terabyte_that_is_not_there_is_told() -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (125000000000,)}\n"
    with pytest.raises(ValueError, match="its header asks for 1,000,000,000,000 bytes of data, there are 8"):
        arrays.parse(headed(header, bytes(8)))
    with pytest.raises(ValueError):
        arrays.parse(pickle.dumps([1]))
