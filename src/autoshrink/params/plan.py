"""The plan of a found network's training on other accelerators."""

from typing import Annotated, Literal

from pydantic import Field

from autoshrink.params.base import Section


class TrainingPlan(Section):
    """What `autoshrink plan` plans for each search's best cell; nothing runs where ``devices`` is null."""

    devices: str | None = None
    """A device file, or the name of an array that comes along (tpu-boards); null: no plan is made."""
    batch: Annotated[int, Field(ge=1)] = 512
    """Images, or sequences of text, of one training step on the array."""
    method: Literal["data", "owt", "hypar", "accpar"] = "accpar"
    """The method whose plan is kept: data parallelism, one weird trick, HyPar or AccPar. The report compares all
    four."""
    shares: Literal["equal", "balanced"] = "balanced"
    """Whether each accelerator gets the same, or what makes the slowest one fastest."""
