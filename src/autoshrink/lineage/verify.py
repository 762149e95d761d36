"""Verify a run: recompute every digest and report what has changed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Stamped
from autoshrink.lineage import agreement, graph, records, telling
from autoshrink.lineage.graph import Run
from autoshrink.lineage.records import Record
from autoshrink.params import Parameters, markup
from autoshrink.params.base import Task
from autoshrink.records.timing import StepTiming
from autoshrink.workflow.slices import slice_of

ALTERED, MISSING, OUTDATED, ORPHANED = "altered", "missing", "out of date", "orphaned"
# Files that were set aside already, and what a killed process leaves: told, but no fault of the run.
SET_ASIDE = re.compile(r"\.(damaged|foreign|incomplete|outdated|orphaned)-\d+$")
LEFTOVER = artifacts.TEMPORARY
TIMING_SUFFIX = ".timing.json"
# The run's signature, which lies beside what it signs.
SIGNATURE = "run.sig"
_PARAMETERS = re.compile(r"^params-[0-9a-f]+\.yaml$")
# A file that some tool puts into any folder, and that is nothing of a run's.
_FOREIGN = {".gitignore", ".DS_Store", "README.md"}


@dataclass(frozen=True)
class Finding:
    """Something wrong: ``kind`` is one of the four above; ``record`` is that of the artifact, where there is one."""

    kind: str
    path: Path
    what: str
    record: Record | None = None


@dataclass(frozen=True)
class Verdict:
    """What a verification found.

    ``digest`` covers the records of all artifacts in the results folder but the report: equal for two runs when they
    are the same in everything that is deterministic.
    """

    findings: tuple[Finding, ...]
    artifacts: int
    set_aside: tuple[Path, ...]
    leftovers: tuple[Path, ...]
    digest: str
    digests: Mapping[Path, Stamped] = field(default_factory=dict)
    """Every file that was read."""


def verify(run: Run, parameters: Parameters | None = None) -> Verdict:
    """Recompute every digest of a run, its data and its store.

    With ``parameters``, what was made under others is out of date too.
    """
    files = [path for folder in run.folders for path in graph.walk(folder)]
    set_aside = tuple(path for path in files if SET_ASIDE.search(path.name))
    leftovers = tuple(path for path in files if LEFTOVER.match(path.name))
    rest = [path for path in files if path not in {*set_aside, *leftovers} and path.name not in _FOREIGN]
    digests = {path: _stamped(path) for path in rest if not records.is_beside(path)}
    unreadable = {path: error for path, error in digests.items() if isinstance(error, OSError)}
    stamped = {path: read for path, read in digests.items() if isinstance(read, Stamped)}
    found = {path: read.digest for path, read in stamped.items()}

    findings = [Finding(ALTERED, path, what.removeprefix(f"{path}: ")) for path, what in run.damaged.items()]
    findings += [Finding(ALTERED, path, f"cannot be read: {error.strerror}") for path, error in unreadable.items()]
    if run.cycle:
        others = ", ".join(records.relative(path, run.results) for path in run.cycle[1:4])
        what = f"depends on itself, by way of {others or 'nothing else'}: no step can have written these records"
        findings.append(Finding(ALTERED, run.cycle[0], what))
    wrong: set[Path] = set(unreadable)
    for record in run.records.values():
        for path, digest in record.outputs.items():
            if path in unreadable:
                continue
            if run.producers[path] is not record:
                for one, other in ((record, run.producers[path]), (run.producers[path], record)):
                    what = f"claims {path.name}, which {other.path.name} says it wrote too"
                    findings.append(Finding(ALTERED, one.path, what))
                continue
            if path not in found:
                findings.append(Finding(MISSING, path, f"was made by '{record.verb}' and is gone", record))
            elif found[path] != digest:
                what = f"is not what '{record.verb}' wrote (sha256 {found[path][:12]}, recorded {digest[:12]})"
                findings.append(Finding(ALTERED, path, what, record))
            else:
                continue
            wrong.add(path)
    for record in run.records.values():
        findings += _inputs(record, found, wrong)
    findings += [finding for path in rest for finding in _itself(path, run)]
    findings += _stale(run)
    findings += _beside(run)
    findings += _otherwise_stored(run)
    findings += [] if parameters is None else _otherwise(run, parameters)
    # the report shows how long things took, so it differs from run to run
    covered = {
        str(path.relative_to(run.results)): artifacts.digest_of_file(path)
        for path, record in sorted(run.records.items())
        if path.is_relative_to(run.results) and record.verb != "report"
    }
    order = {ALTERED: 0, MISSING: 1, OUTDATED: 2, ORPHANED: 3}
    findings.sort(key=lambda finding: (order[finding.kind], finding.path))
    return Verdict(tuple(findings), len(found), set_aside, leftovers, artifacts.digest_of(covered), stamped)


def _stamped(path: Path) -> Stamped | OSError:
    """Return a file's digest, or why it cannot be read: a pipe, a link that leads nowhere, no permission."""
    try:
        return Stamped.of(path)
    except OSError as error:
        return error


def _inputs(record: Record, found: Mapping[Path, str], wrong: set[Path]) -> list[Finding]:
    """Return the artifact as out of date where an input is no longer what it was made from."""
    for path, digest in record.inputs.items():
        if path in wrong:
            continue  # that is named already, and making it again puts this right
        now = found.get(path)
        if now is None and path.is_file():
            read = _stamped(path)
            now = read.digest if isinstance(read, Stamped) else None
        if now == digest:
            continue
        name = records.relative(path, record.path.parent)
        if now is None:
            return [Finding(MISSING, path, f"was read to make {record.artifact.name}, and is gone", record)]
        return [Finding(OUTDATED, _shown(record), f"{name} has changed since this was made from it", record)]
    return []


def _otherwise(run: Run, parameters: Parameters) -> list[Finding]:
    """Return the steps of the run that were done under other parameters than these."""
    findings = []
    for record in run.records.values():
        then_given = record.facts.parameters
        if then_given is None or not (
            record.dataset in parameters.datasets
            if record.verb == "prepare"
            else record.path.is_relative_to(run.results)
        ):
            continue
        task = None if record.facts.task is None else Task(record.facts.task)
        now, then = (
            telling.flat(values) for values in (slice_of(parameters, record.verb, task, record.dataset), then_given)
        )
        changed = sorted(key for key in {*now, *then} if now.get(key) != then.get(key))
        if changed:
            findings.append(Finding(OUTDATED, _shown(record), f"was made under another {', '.join(changed)}", record))
    return findings


def _beside(run: Run) -> list[Finding]:
    """Return the timings that steps of this run left, and the snapshots that they read, that are gone.

    No result depends on them, so nothing is made again for their sake: ``repair`` says what is lost with them.
    """
    findings, snapshots = [], set()
    for record in run.records.values():
        timing = artifacts.timing_path(record.artifact)
        if not timing.is_file():
            findings.append(Finding(MISSING, timing, f"was left by '{record.verb}' and is gone"))
        elif record.path.is_relative_to(run.results):
            snapshots.add(StepTiming.beside(record.artifact).snapshot)
    for name in sorted(name for name in snapshots if isinstance(name, str) and _PARAMETERS.match(name)):
        if not (run.results / "params" / name).exists():
            path = run.results / "params" / name
            findings.append(Finding(MISSING, path, "held the parameters that steps of this run read, and is gone"))
    return findings


def _otherwise_stored(run: Run) -> list[Finding]:
    """Return the store's evaluations that hold other numbers than the run's own steps took from them."""
    findings = []
    for record in run.records.values():
        for path in agreement.conflicts(record):
            what = f"holds other numbers than {records.relative(record.artifact, run.results)} took from it"
            findings.append(Finding(ALTERED, path, what, run.producers.get(path)))
    return findings


def _shown(record: Record) -> Path:
    return record.artifact if record.artifact in record.outputs else record.path


def _itself(path: Path, run: Run) -> list[Finding]:
    """Check what no record covers: timings, frozen parameters, checkpoints; the rest of it is orphaned."""
    if path in run.producers or path in run.records or path in run.damaged or path == run.results / SIGNATURE:
        return []
    name = path.name
    try:
        if name.endswith(TIMING_SUFFIX):
            artifacts.read_sealed(path, artifacts.TIMING, artifacts.TIMING_VERSION)
            return []
        if _PARAMETERS.match(name):
            intact = is_snapshot(path)
            return [] if intact else [Finding(ALTERED, path, "is not the snapshot that its name is the digest of")]
        if path.parent.name == "checkpoints" and name.endswith(".safetensors") and path.with_suffix(".json").exists():
            return []  # its JSON vouches for it
        if path.parent.name == "checkpoints" and name.endswith(".json"):
            _check_checkpoint(path)
            return []
    except ArtifactError as error:
        return [Finding(ALTERED, path, str(error).removeprefix(f"{path}: "))]
    if any(path.is_relative_to(record.parent) for record in run.damaged):
        return []  # its record may be the damaged one, which is named
    return [Finding(ORPHANED, path, "no record says how it was made")]


def is_snapshot(path: Path) -> bool:
    """Return whether a file of frozen parameters is the one that its name is the digest of."""
    try:
        text = path.read_text(encoding="utf-8")
        values = markup.parse(text)
        named = path.name == f"params-{artifacts.digest_of(values)[:16]}.yaml"
        return named and markup.dump(values) == text
    except (OSError, ValueError, TypeError):
        return False


def _check_checkpoint(path: Path) -> None:
    kind = artifacts.kind_of(path)
    content = artifacts.read_sealed(path, kind, 1)
    tensors = path.with_suffix(".safetensors")
    if "tensors_sha256" in content and (
        not tensors.exists() or artifacts.digest_of_file(tensors) != content["tensors_sha256"]
    ):
        raise ArtifactError(f"{path}: {tensors.name} is missing or altered (its sha256 is not the one recorded)")


def _stale(run: Run) -> list[Finding]:
    """Return the steps of finished searches that no answer depends on: left by an earlier, longer search."""
    findings: list[Finding] = []
    if run.damaged:
        return []  # the chain may be broken where the damage is
    answers = [record for record in run.records.values() if record.verb == "best"]
    for answer in answers:
        folder = answer.path.parent
        needed = {record.path for record in run.ancestors(answer)}
        for record in run.records.values():
            is_step = record.verb in ("start", "propose", "evaluate", "select", "finalists", "repeat")
            if is_step and record.path.is_relative_to(folder) and record.path not in needed:
                findings.append(Finding(ORPHANED, _shown(record), "nothing was made from it", record))
    return findings
