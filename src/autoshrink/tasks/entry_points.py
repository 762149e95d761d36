"""A reference of the user's own: a Python function, named as ``module:function``, that makes a module for a width."""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autoshrink.errors import ParameterError

if TYPE_CHECKING:
    from torch import nn


def source(name: str) -> Path:
    """Return the file that defines the function's module. Raises ParameterError where there is none."""
    module, _, _ = name.partition(":")
    with _here():
        try:
            found = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            found = None
    if found is None or found.origin is None or not Path(found.origin).is_file():
        raise ParameterError(
            f"{name}: there is no Python module {module!r} in this environment or the folder of the run; accepted: "
            "module:function"
        )
    return Path(found.origin)


def function(name: str) -> Callable[..., Any]:
    """Return the function. Raises ParameterError, in one line, where it is not there."""
    source(name)
    module, _, attribute = name.partition(":")
    with _here():
        try:
            found = getattr(importlib.import_module(module), attribute, None)
        except Exception as error:  # whatever a user's module raises when it is imported
            why = " ".join(str(error).split()) or type(error).__name__
            raise ParameterError(f"{name}: importing {module} fails ({why[:200]})") from None
    if not callable(found):
        what = "nothing" if found is None else f"a {type(found).__name__}"
        raise ParameterError(f"{name}: {module} has {what} by the name {attribute!r}; expected a function")
    result: Callable[..., Any] = found
    return result


def module(name: str, width: float, **sizes: int) -> "nn.Module":
    """Return ``function(width, **sizes)``. Raises ParameterError where that fails or is no ``torch.nn.Module``."""
    from torch import nn

    make = function(name)
    try:
        made = make(width, **sizes)
    except Exception as error:  # likewise
        why = " ".join(str(error).split()) or type(error).__name__
        given = ", ".join([f"{width:.4g}", *(f"{key}={value}" for key, value in sizes.items())])
        raise ParameterError(f"{name}({given}): {type(error).__name__}: {why[:200]}") from None
    if not isinstance(made, nn.Module):
        raise ParameterError(f"{name}: returns a {type(made).__name__}; expected a torch.nn.Module")
    return made


@contextlib.contextmanager
def _here() -> Iterator[None]:
    """Let modules in the current folder be found, after all others, as ``python -m`` does."""
    folder = str(Path.cwd())
    added = folder not in sys.path
    if added:
        sys.path.append(folder)
    try:
        yield
    finally:
        if added:
            sys.path.remove(folder)
