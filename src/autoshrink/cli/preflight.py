"""Checks before a run's first job: read the parameters, set damaged files aside, locate the raw data."""

import filecmp
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from autoshrink import params
from autoshrink.errors import UserError
from autoshrink.evidence import sufficiency as evidence
from autoshrink.files import artifacts, places
from autoshrink.lineage import code, graph, repair, verify
from autoshrink.params import Parameters, markup
from autoshrink.tasks import address, availability, sharing, sufficiency
from autoshrink.workflow import resources, storage
from autoshrink.workflow.layout import Layout
from autoshrink.workflow.plan import Plan

# names the parameters' snapshot to the jobs of a run on a cluster: they parse the rules anew, whatever params.yaml says
# by then, and the environment is the one thing that reaches them
SNAPSHOT = "AUTOSHRINK_PARAMS"

P = ParamSpec("P")
T = TypeVar("T")


def or_exit(step: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Return what a step returns; a user's mistake ends Snakemake here, in one line each and before any job."""
    try:
        return step(*arguments, **keywords)
    except UserError as error:
        sys.exit("\n".join(f"snakemake: {line}" for line in str(error).splitlines()))


def plan(overlays: Sequence[str], settings: Mapping[str, Any] | None, *, is_job: bool) -> Plan:
    """Return the plan of params.yaml under Snakemake's ``--configfile`` and ``--config``. Raises UserError.

    They are merged anew, not as Snakemake has merged them: a data set whose source changes must be replaced whole. A
    job on a cluster (``is_job``) takes the parameters of the run that submitted it.
    """
    submitted = os.environ.get(SNAPSHOT)
    if is_job and submitted:
        return Plan(params.load([Path(submitted)]))
    files = [Path(file) for file in ("params.yaml", *overlays)]
    chosen = params.load(files, [f"{key}={json.dumps(_typed(value))}" for key, value in (settings or {}).items()])
    availability.check_apart(chosen)  # before anything is set aside, or made
    storage.check(chosen)
    planned = Plan(chosen)
    check_folders(planned)
    return planned


def check_folders(plan: Plan) -> None:
    """Make sure that no file stands where a folder of the run is to be, before Snakemake lists these. Raises
    UserError."""
    places.require_folders(plan.layout.roots)
    for folder in sorted({path.parent for paths in plan.reported().values() for path in paths}):
        places.require_folders({"a step's folder": folder})


def _typed(value: Any) -> Any:
    """Return a value of ``--config`` as YAML has it: Snakemake makes text of the numbers inside mappings and lists."""
    if isinstance(value, Mapping):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    try:
        found = markup.parse(value) if isinstance(value, str) else value
    except markup.MarkupError:
        return value
    return found if isinstance(found, str | int | float | None) else value


def snapshot(chosen: Parameters) -> str:
    """Return the file that all steps of a run read its parameters from; ``begin`` writes it."""
    return str(params.frozen_path(chosen, Layout.of(chosen).snapshots))


def environment(chosen: Parameters, programs: Path, *, is_job: bool) -> None:
    """Make what steps are started with (``logged``, ``gpus``, ``launch``) and the snapshot known to all jobs."""
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    if not (is_job and os.environ.get(SNAPSHOT)):
        os.environ[SNAPSHOT] = snapshot(chosen)


verified: dict[Path, artifacts.Stamped] = {}
"""The files that ``mend`` has read."""


def mend(chosen: Parameters) -> None:
    """Set aside what does not match its record any more, so that it is made again; say so in a line per file.

    Raises UserError where something is wrong that this run can neither set aside nor make again.

    Only under tools/run.py, whose lock says that no other run is at work on these results.
    """
    layout = Layout.of(chosen)
    if "AUTOSHRINK_RUN_FOLDER" not in os.environ or not layout.results.is_dir():
        return
    if layout.snapshots.is_dir():
        try:
            params.freeze(chosen, layout.snapshots)  # it may be gone, and nothing is lost with what is known anyway
        except OSError as error:
            raise UserError(f"{layout.snapshots}: cannot be written ({error.strerror})") from None
    run = graph.read(layout.results)
    verdict = verify.verify(run)
    verified.update(verdict.digests)
    repaired = repair.repair(run, verdict, [layout.data, layout.store])
    for line in repaired.moved:
        print(f"snakemake: {line}", file=sys.stderr)
    for line in repaired.healed:
        print(f"snakemake: {line}", file=sys.stderr)
    if repaired.left:
        raise UserError("\n".join(repaired.left))
    if others := code.made_by_other(run):
        # data that other code prepares has another address, and so has all that is made from it
        is_kept = all(record.verb != "prepare" for record in others)
        hint = " To keep them: ARGS='--rerun-triggers mtime input software-env'" if is_kept else ""
        print(
            f"snakemake: {len(others)} finished steps were made by other code ({code.in_words(others)}); those that "
            f"this run wants are made anew.{hint}",
            file=sys.stderr,
        )


def begin(chosen: Parameters, training: Mapping[str, Any], to_prepare: Collection[str] | None = None) -> None:
    """Look for the raw data of what is to be prepared, read the device file, and write the parameters' snapshot.

    ``training`` are the resources that a user gave the rule ``train``, by which the final training's processes share
    its batches; ``to_prepare`` are the data sets that the run prepares, None where that is not known yet. Raises
    UserError.

    Mistakes of an earlier run are forgotten: somebody may have mended them.
    """
    layout = Layout.of(chosen)
    check_writable(chosen)
    forget_mistakes(layout.logs)
    if to_prepare is None:
        to_prepare = [name for name in chosen.used_datasets if not address.manifest(chosen, name).exists()]
    availability.locate(chosen, sorted(to_prepare))
    sufficiency.check(chosen)
    processes = resources.processes(chosen, training)
    if processes is not None:
        sharing.check(chosen, processes)
    evidence.check(chosen)
    if chosen.plan.devices is not None:
        from autoshrink.planner import device_file

        device_file.read(chosen.plan.devices)
    params.freeze(chosen, layout.snapshots)


def announce_attempts(retries: int) -> None:
    """Make known, to what tells of failures, how often a step is tried at most."""
    os.environ["AUTOSHRINK_ATTEMPTS"] = str(1 + retries)


def verdicts(paths: Sequence[Path]) -> list[str]:
    """Return what a finished run says of its found networks: a sentence per reference. Raises ArtifactError.

    A run of some files alone may have made no verdict.
    """
    from autoshrink.evidence import wording
    from autoshrink.records.verdict import Verdict

    return [sentence for path in paths if path.exists() for sentence in wording.sentences(Verdict.read(path))]


def forget_mistakes(logs: Path) -> None:
    """Remove the copies of logs that ``logged`` left of steps that a user's mistake ended; no other file."""
    for mistake in logs.rglob("*.log.mistake"):
        log = mistake.with_suffix("")
        are_files = all(path.is_file() and not path.is_symlink() for path in (mistake, log))
        if are_files and filecmp.cmp(mistake, log, shallow=False):
            mistake.unlink()


def check_writable(chosen: Parameters) -> None:
    """Make sure, before anything is computed, that its results can be kept. Raises UserError, one line per folder.

    Data that is prepared already is only read, so it may lie in a folder that others keep.
    """
    layout = Layout.of(chosen)
    folders = {"paths.results": layout.results, "paths.store": layout.store}
    if not all(address.manifest(chosen, name).exists() for name in chosen.used_datasets):
        folders["paths.data"] = layout.data
    places.require_writable(folders)
