"""Putting damaged artifacts out of the way, under a name that tells, so that the workflow makes them again.

Nothing is deleted but what a killed process left half-written.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from autoshrink.files import artifacts
from autoshrink.lineage import graph, records, verify
from autoshrink.lineage.graph import Run
from autoshrink.lineage.records import Record
from autoshrink.lineage.verify import Finding, Verdict


def repair(run: Run, verdict: Verdict) -> list[str]:
    """Set aside what a verification found wrong; return one line per file, saying where it went and why.

    A damaged file becomes ``NAME.damaged-N``. What stands or falls with it, or was made from something that has changed
    since, becomes ``.incomplete-N`` or ``.outdated-N``; what no record explains ``.orphaned-N``, if it lies where the
    pipeline writes. Leftovers of processes that no longer run are removed.

    Whatever the run's results made from these goes with them, for a workflow makes a file in the middle again only
    where something after it is wanted. It costs little: evaluations come from the store, trainings go on from
    checkpoints.
    """
    lines: list[str] = []
    for finding in verdict.findings:
        lines += _put_away(finding, run)
    lines += _put_away_after(verdict, run)
    for path in verdict.leftovers:
        match = verify.LEFTOVER.match(path.name)
        assert match is not None
        if not _is_alive(int(match[1])):
            path.unlink(missing_ok=True)
    return lines


def _put_away(finding: Finding, run: Run) -> list[str]:
    path, record = finding.path, finding.record
    why = f"{finding.kind}: {finding.what}"
    if finding.kind == verify.ALTERED:
        lines = _move([path], "damaged", why)
        if record is not None:
            return lines + _move([record.artifact], "incomplete", f"stands or falls with {path.name}")
        if path.name.endswith(records.SUFFIX):  # without its record, nobody knows what the artifact is
            lines += _move(_unexplained(path, run), "incomplete", f"its record {path.name} was damaged")
        return lines
    if finding.kind == verify.MISSING and record is not None:
        # an output that is gone takes the rest of its step along; an input that is gone, what was made from it
        is_output = path in record.outputs
        return _move([record.artifact] if is_output else _all(record), "incomplete" if is_output else "outdated", why)
    if finding.kind == verify.OUTDATED and record is not None:
        return _move(_all(record), "outdated", why)
    if finding.kind == verify.ORPHANED and _is_ours(path, run):
        return _move([path] if record is None else _all(record), "orphaned", why)
    return []


def _put_away_after(verdict: Verdict, run: Run) -> list[str]:
    """Set aside what was made from files that are gone, and what was made from that, through to the end."""
    named = {finding.path for finding in verdict.findings}
    gone = {path for path in {*named, *run.producers} if not path.exists()}
    lines: list[str] = []
    waiting = [record for record in run.records.values() if record.path.is_relative_to(run.results)]
    while found := [(record, lost) for record in waiting if (lost := sorted(gone & record.inputs.keys()))]:
        for record, lost in found:
            waiting.remove(record)
            gone |= record.outputs.keys()
            lines += _move(_all(record), "outdated", f"was made from {lost[0].name}, which is to be made again")
    return lines


def _all(record: Record) -> list[Path]:
    return [*record.outputs, record.path, artifacts.timing_path(record.artifact)]


def _unexplained(record: Path, run: Run) -> list[Path]:
    """Return the artifact that a damaged record stood beside; of the report, all files that no other explains."""
    artifact = record.with_name(record.name.removesuffix(records.SUFFIX) + ".json")
    if artifact != run.results / "report/report.json":
        return [artifact]
    files = [path for path in graph.walk(artifact.parent) if path not in run.producers]
    return [path for path in files if not records.is_beside(path) and not verify.SET_ASIDE.search(path.name)]


def _is_ours(path: Path, run: Run) -> bool:
    """Return whether the pipeline's steps write there; a user's own notes, and what other verbs add, are left alone."""
    folders = [run.results / name for name in ("cnn", "rnn")]
    return any(path.is_relative_to(folder) for folder in [*folders, *run.folders[1:]])


def _move(paths: Iterable[Path], why: str, reason: str) -> list[str]:
    lines = []
    for path in paths:
        if path.is_file():
            moved = artifacts.set_aside(path, why)
            lines.append(f"{records.relative(path, Path.cwd())}: {reason}; set aside as {moved.name}")
    return lines


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
