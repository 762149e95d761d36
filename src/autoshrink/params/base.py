"""The base of all sections, and the list of tasks."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One section of params.yaml: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=True)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return the section with other values of some keys. Raises pydantic's ValidationError."""
        return type(self).model_validate({**self.model_dump(), **changes})


class Task(StrEnum):
    """The tasks that cells can be searched for."""

    module: str

    def __new__(cls, name: str, module: str = "") -> Self:
        """Make a member that equals ``name``."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.module = module
        return member

    # one line each: its name, and the module whose SPEC describes it
    CNN = "cnn", "autoshrink.tasks.vision.spec"
    RNN = "rnn", "autoshrink.tasks.language.spec"
