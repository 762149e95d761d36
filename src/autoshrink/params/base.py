"""The base of all sections, and the list of tasks."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One section of params.yaml: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=True)


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
