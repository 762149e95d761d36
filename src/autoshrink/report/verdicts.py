"""The verdict, the page's first panel: each network's quality and costs, and a sentence per reference."""

from dataclasses import dataclass
from pathlib import Path

from autoshrink.evidence import wording
from autoshrink.params import Parameters
from autoshrink.records.timing import StepTiming
from autoshrink.records.verdict import Verdict
from autoshrink.report import charts, figures
from autoshrink.search import rounds
from autoshrink.workflow.layout import SearchFolder

_XLINK = ' xmlns:xlink="http://www.w3.org/1999/xlink"'


@dataclass(frozen=True)
class Panel:
    """One search's verdict."""

    title: str
    sentences: tuple[tuple[str, str], ...]
    """The outcome, ``beats``, ``ties`` or ``loses``, and the sentence."""
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    chart: str
    """Quality against MACs with intervals, as SVG."""


def read(results: Path, parameters: Parameters) -> list[Panel]:
    """Return the panels of a run's searches that have a verdict. Raises ArtifactError where one is damaged."""
    found = []
    for task in parameters.tasks:
        for name in rounds.searches(parameters, task):
            path = SearchFolder(results / task / str(name)).verdict
            if path.exists():
                verdict = Verdict.read(path).belonging_to(task, str(name), path)
                found.append(_panel(verdict, StepTiming.beside(path)))
    return found


def _panel(verdict: Verdict, timing: StepTiming) -> Panel:
    heading, rows = wording.table(verdict, timing.latency_ms)
    notes = wording.notes(verdict)
    if timing.latency_device:
        notes.append(f"Latencies of one example were measured on one thread: {timing.latency_device}.")
    outcomes = (item.outcome.split()[0] for item in verdict.comparisons)
    return Panel(
        title=f"{verdict.task}/{verdict.search}: {verdict.dataset}",
        sentences=tuple(zip(outcomes, wording.sentences(verdict), strict=True)),
        heading=tuple(heading),
        rows=tuple(tuple(row) for row in rows),
        notes=tuple(notes),
        # an address that nothing in the chart refers to; the page names no other than SVG's own
        chart=figures.rendered(charts.verdict(verdict)).replace(_XLINK, ""),
    )
