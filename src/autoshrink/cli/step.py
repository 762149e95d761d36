"""Record lineage and timing next to each artifact."""

import contextlib
import datetime
import os
import resource
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autoshrink.files import artifacts, places
from autoshrink.files.artifacts import Json
from autoshrink.lineage import environment, own, records
from autoshrink.params import Parameters, frozen_path
from autoshrink.params.base import Task
from autoshrink.workflow.code import code_of
from autoshrink.workflow.layout import Layout
from autoshrink.workflow.slices import slice_of


@dataclass
class Step:
    """A step under way. The block that does the work may add to both.

    ``timing`` is what differs from run to run and no digest covers; ``outputs`` the files that were made, where they
    are more than the artifact itself.
    """

    timing: Json = field(default_factory=dict)
    outputs: list[Path] = field(default_factory=list)


@contextlib.contextmanager
def step(
    verb: str,
    out: Path,
    *,
    inputs: Iterable[Path] = (),
    parameters: Parameters | None = None,
    task: Task | None = None,
    dataset: str | None = None,
    subject: Json | None = None,
    draws: Iterable[str] = (),
    computes: bool = False,
    store: Path | None = None,
) -> Iterator[Step]:
    """Write the lineage record and the timing of the artifact ``out`` when the block ends well.

    ``inputs`` are the files read; ``task`` and ``dataset`` choose the slice of ``parameters`` that matters; ``subject``
    says in JSON what the step was about; ``draws`` names its random draws under the root seed; ``computes`` says that
    it computes with torch, so that the device matters; ``store`` is the evaluations' store it used.

    Raises UserError, before the work, where the artifact or the store cannot be written, or where a file of the user's
    stands in the artifact's place.
    """
    places.require_writable({"--out": out.parent} | ({} if store is None else {"--store": store}))
    own.require(out)
    doing = Step({"started": _now(), **environment.machine()})
    start = time.perf_counter()
    read = records.digests(inputs)  # before the work, for this is what the work reads
    yield doing
    if "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0":
        return  # under torchrun the first process speaks for all
    of = parameters.datasets[dataset].task if parameters is not None and dataset is not None else task
    names = sorted(draws)
    facts = records.Facts(
        verb=verb,
        code=_code(verb, of),
        environment=environment.libraries(),
        task=None if task is None else str(task),
        subject=subject or None,
        parameters=None if parameters is None else slice_of(parameters, verb, task, dataset),
        seeds=records.Seeds(root=parameters.seed, draws=tuple(names)) if parameters is not None and names else None,
        compute=environment.device(parameters.compute) if parameters is not None and computes else None,
        store=None if store is None else records.relative(store, out.parent),
    )
    made = records.digests(doing.outputs or [out])
    timing = {**doing.timing, "ended": _now(), "seconds": round(time.perf_counter() - start, 3), **_used()}
    if parameters is not None:
        snapshot = frozen_path(parameters, Layout.of(parameters).snapshots)
        timing |= {"snapshot": snapshot.name} if snapshot.exists() else {}
    artifacts.write_timing(out, timing)  # before the record, which says that the step is done
    records.write(out, read, made, facts)


def made_by(parameters: Parameters, task: Task) -> records.Facts:
    """Return the facts of the record of an evaluation that this process has just trained."""
    return records.Facts(
        verb="evaluate",
        task=str(task),
        code=_code("evaluate", task),
        environment=environment.libraries(),
        compute=environment.device(parameters.compute),
    )


def _code(verb: str, task: Task | None) -> records.Code:
    return environment.code().model_copy(update={"step": code_of(verb, task)})


def _used() -> dict[str, float]:
    """Return what this process and those it has waited for have used: processor seconds, and the most memory."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "cpu_seconds": round(sum(part.ru_utime + part.ru_stime for part in parts), 3),
        "memory_mib": round(max(part.ru_maxrss for part in parts) / 1024, 1),
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
