"""What all sections share: immutability, and no key that nobody reads."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One section of params.yaml: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=True)


class Task(StrEnum):
    """The two searches."""

    CNN = "cnn"
    RNN = "rnn"
