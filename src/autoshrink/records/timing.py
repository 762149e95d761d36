"""Timings of steps and evaluations. They differ from run to run; no digest covers them and no result depends on
them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import ConfigDict, Field

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json
from autoshrink.records.record import Number, Record, SealedRecord, optional


class TrialTiming(Record):
    """What one candidate's training took; None where it is not known."""

    device_seconds: Annotated[Number | None, Field(exclude_if=optional)] = None
    device: Annotated[str | None, Field(exclude_if=optional)] = None


class SlotTiming(TrialTiming):
    """The same for a slot of an evaluation job."""

    reused: bool
    """The store had the evaluation before this run asked."""


class _Timing(SealedRecord):
    KIND: ClassVar = artifacts.TIMING
    VERSION: ClassVar = artifacts.TIMING_VERSION

    @classmethod
    def beside(cls, path: Path) -> Self:
        """Return the timing of the artifact ``path``, an empty one where there is none or it is damaged."""
        try:
            return cls.read(artifacts.timing_path(path))
        except ArtifactError:
            return cls()

    def write_beside(self, path: Path) -> None:
        """Write the timing of the artifact ``path``."""
        self.write(artifacts.timing_path(path))


class EvaluationTiming(_Timing, TrialTiming):
    """Beside an evaluation in the store."""


class StepTiming(_Timing):
    """Beside a step's artifact. A step may add facts of its own."""

    model_config = ConfigDict(extra="allow")

    started: str | None = None
    """ISO 8601, UTC."""
    ended: str | None = None
    seconds: Number | None = None
    cpu_seconds: Number | None = None
    """Of all processors, by the step's process and those it has started and waited for."""
    memory_mib: Number | None = None
    """The most memory that the step's process, or one it has started, had at once; pages that it shares included."""
    snapshot: str | None = None
    """Name of the parameters' snapshot that the step read."""
    latency_ms: Mapping[str, Number] | None = None
    """Of a verdict: what one example takes each network, on one thread of ``latency_device``."""
    latency_device: str | None = None
    slots: Mapping[str, SlotTiming] | None = None
    """Of an evaluation job: what each slot took."""

    def to_json(self) -> Json:
        """Return the JSON values; what is not known is left out."""
        return self.model_dump(mode="json", exclude_none=True)
