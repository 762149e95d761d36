"""Read NumPy's .npy files without trusting them: no pickles, and no memory that the file's own bytes do not fill."""

import io
import math
import tokenize
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def parse(content: bytes) -> NDArray[Any]:
    """Return the array that a .npy file's bytes hold.

    Raises ValueError, in words, where they are no such file, hold Python objects, or are more or fewer than the header
    says: NumPy itself would ask for the memory that a header names before it looks for the data.
    """
    file = io.BytesIO(content)
    try:
        read = _HEADERS.get(npy.read_magic(file))
        if read is None:
            raise ValueError("a version of the format that np.save does not write")
        shape, _, dtype = read(file)
    except (TypeError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError, OverflowError) as error:
        raise ValueError(f"its header is damaged ({type(error).__name__})") from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never read")
    size, found = math.prod(shape) * dtype.itemsize, len(content) - file.tell()
    if size != found or any(length < 0 for length in shape):
        raise ValueError(f"its header asks for {size:,} bytes of data, there are {found:,}")
    result: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return result
