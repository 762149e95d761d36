"""Set damaged and outdated files of a run aside, so that the workflow makes them again.

The user's files are the user's: a file is moved only when a record of the run's says that a step wrote it, or it is a
sealed file that such a record names, and only inside the run's own folders, symbolic links resolved. What nobody knows
is left where it is. Nothing is deleted but what a process of this machine, killed since, left half-written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.lineage import records, verify
from autoshrink.lineage.graph import Run
from autoshrink.lineage.records import Record
from autoshrink.lineage.verify import Finding, Verdict
from autoshrink.records.evaluation import Evaluation
from autoshrink.records.timing import StepTiming


@dataclass(frozen=True)
class Repaired:
    """What a repair did: ``moved`` has a line for each file set aside, ``left`` one for each wrong one it must not
    touch, ``healed`` one for each that no result depends on and that is whole again, less what nobody knows any
    more."""

    moved: tuple[str, ...]
    left: tuple[str, ...]
    healed: tuple[str, ...] = ()


def repair(run: Run, verdict: Verdict, own: Iterable[Path] = ()) -> Repaired:
    """Set aside what a verification found wrong, and all that was made from it.

    A damaged file becomes ``NAME.damaged-N``. What stands or falls with it, or was made from something that has changed
    since, becomes ``.incomplete-N`` or ``.outdated-N``; a step's that nothing depends on ``.orphaned-N``. Files are
    moved inside the results and the folders ``own`` alone. Raises UserError where a file cannot be moved.

    What the run's results made from these goes with them, for a workflow makes a file in the middle again only where
    something after it is wanted. It costs little: evaluations come from the store, trainings go on from checkpoints.
    """
    plan = _Plan(run, tuple(folder.resolve() for folder in (run.results, *own)))
    for finding in verdict.findings:
        plan.add_finding(finding)
    plan.add_descendants()
    moved = []
    for path, (why, reason) in plan.moves.items():
        try:
            moved.append(f"{_shown(path)}: {reason}; set aside as {artifacts.set_aside(path, why).name}")
        except OSError as error:
            raise UserError(f"{path}: {reason}, and cannot be set aside ({error.strerror})") from None
    for path in verdict.leftovers:
        if plan.is_inside(path) and artifacts.is_dead_temporary(path.name):
            path.unlink(missing_ok=True)
    healed = [line for finding in verdict.findings for line in _heal(finding, plan)]
    return Repaired(
        tuple(moved), tuple(f"{_shown(path)}: {reason}" for path, reason in plan.left.items()), tuple(healed)
    )


def _heal(finding: Finding, plan: "_Plan") -> Iterator[str]:
    """Mend what is no result and cannot be made again: a timing that is gone, a parameters' snapshot that is gone.

    A timing comes back empty, which readers take for not known. A snapshot's name is taken out of the timings that say
    a step read it: the parameters that matter to a step stand in its record.
    """
    path = finding.path
    is_gone = finding.kind == verify.MISSING or path in plan.moves
    if not is_gone or finding.record is not None or not plan.is_inside(path):
        return
    try:
        if path.name.endswith(verify.TIMING_SUFFIX):
            if _has_record(path) and not path.exists():
                artifacts.write_sealed(path, artifacts.TIMING, artifacts.TIMING_VERSION, {})
                yield f"{_shown(path)}: is gone; how long the step took, when and where is not known any more"
            return
        forgotten = 0
        for record in plan.run.records.values():
            timing = StepTiming.beside(record.artifact)
            if timing.snapshot == path.name and record.path.is_relative_to(plan.run.results):
                timing.model_copy(update={"snapshot": None}).write_beside(record.artifact)
                forgotten += 1
        if forgotten:
            yield f"{_shown(path)}: is gone; {forgotten} steps' own records hold the parameters that they depend on"
    except OSError as error:
        raise UserError(f"{path}: is gone, and cannot be written again ({error.strerror})") from None


def _has_record(timing: Path) -> bool:
    """Return whether the record is still there of the step that a timing is of: it may just have been set aside."""
    return timing.with_name(timing.name.removesuffix(verify.TIMING_SUFFIX) + records.SUFFIX).is_file()


@dataclass
class _Plan:
    """The files to move, with the word for their new name and the reason; and those left alone, with the reason."""

    run: Run
    own: tuple[Path, ...]
    moves: dict[Path, tuple[str, str]] = field(default_factory=dict)
    left: dict[Path, str] = field(default_factory=dict)

    def add_finding(self, finding: Finding) -> None:
        """Plan the moves that one finding asks for."""
        path, record = finding.path, finding.record
        why = f"{finding.kind}: {finding.what}"
        if finding.kind == verify.ALTERED and record is not None:
            self._move([path], "damaged", why)
            self._move([record.artifact], "incomplete", f"stands or falls with {path.name}")
        elif finding.kind == verify.ALTERED:
            self._add_altered(path, why)
        elif finding.kind == verify.MISSING and record is not None:
            # an output that is gone takes the rest of its step along; an input that is gone, what was made from it
            if path in record.outputs:
                self._move([record.artifact], "incomplete", why)
            elif self.is_inside(path):
                self._move(_all(record), "outdated", why)
            else:
                self.left[path] = why  # the user's own, which no step makes again
        elif finding.kind == verify.OUTDATED and record is not None:
            self._move(_all(record), "outdated", why)
        elif finding.kind == verify.ORPHANED and record is not None:
            self._move(_all(record), "orphaned", why)
        elif finding.kind == verify.ORPHANED and self._is_known(path):
            self._move([path], "incomplete", "its record is gone, so nobody can tell how it was made")

    def _add_altered(self, path: Path, why: str) -> None:
        """Plan for what no record vouches for: a record itself, a timing, a checkpoint."""
        artifact = path.with_name(path.name.removesuffix(records.SUFFIX) + ".json")
        if path in self.run.records:  # intact by itself, but not what a step can have written
            self._move(_all(self.run.records[path]), "damaged", why)
        elif path in self.run.damaged:
            if not self._is_record(path, artifact):
                self.left[path] = f"{why}; nothing says that it is AutoShrink's, so it is left alone"
                return
            self._move([path], "damaged", why)
            if self._is_known(artifact):
                self._move([artifact], "incomplete", f"its record {path.name} was damaged")
        elif self._is_beside(path) or path.name in self._snapshots:
            self._move([path], "damaged", why)

    def add_descendants(self) -> None:
        """Plan for what was made from files that are gone or about to be, and from that, through to the end."""
        recorded = {*self.run.producers, *(path for record in self.run.records.values() for path in record.inputs)}
        gone = {path for path in recorded if path in self.moves or (self.is_inside(path) and not path.exists())}
        gone |= self.moves.keys()
        waiting = [record for record in self.run.records.values() if record.path.is_relative_to(self.run.results)]
        while found := [(record, lost) for record in waiting if (lost := sorted(gone & record.inputs.keys()))]:
            for record, lost in found:
                waiting.remove(record)
                gone |= record.outputs.keys()
                self._move(_all(record), "outdated", f"was made from {lost[0].name}, which is to be made again")

    def _move(self, paths: Iterable[Path], why: str, reason: str) -> None:
        for path in paths:
            if path in self.moves or not path.is_file():
                continue
            if path.is_symlink() or not self.is_inside(path):
                self.left.setdefault(
                    path, f"{reason}; it is a link or lies outside the run's folders, so it is left alone"
                )
            else:
                self.moves[path] = why, reason

    def is_inside(self, path: Path) -> bool:
        """Return whether a path, symbolic links resolved, lies inside the run's own folders."""
        try:
            place = path.resolve()
        except (OSError, RuntimeError):  # links in a circle
            return False
        return any(place.is_relative_to(folder) for folder in self.own)

    @cached_property
    def _snapshots(self) -> set[str | None]:
        """The names of the parameters' snapshots that the run's timings say its steps read."""
        return {StepTiming.beside(record.artifact).snapshot for record in self.run.records.values()}

    @cached_property
    def _read(self) -> set[Path]:
        return {path for record in self.run.records.values() for path in record.inputs}

    def _is_beside(self, path: Path) -> bool:
        """Return whether a step leaves this file beside what it records: its timing, or a training's checkpoint."""
        if path.parent.name == "checkpoints":
            return path.parent.with_name("model.lineage.json") in self.run.records
        return any(path == artifacts.timing_path(record.artifact) for record in self.run.records.values())

    def _is_known(self, path: Path) -> bool:
        """Return whether a file without a record is one of the pipeline's all the same.

        It is sealed, and a record says that a step read it, or a step's record or timing stands beside it, or it is an
        evaluation under its own key.
        """
        beside = records.path_of(path) in self.run.damaged or StepTiming.beside(path).to_json() or path in self._read
        if not beside and len(path.stem) != 64:
            return False
        return artifacts.is_sealed(path) and bool(beside or _key_of(path) == path.stem)

    def _is_record(self, path: Path, artifact: Path) -> bool:
        """Return whether a file named as a record, which cannot be read as one, was one of the pipeline's."""
        if artifact in self._read or StepTiming.beside(artifact).to_json() or artifacts.is_sealed(artifact):
            return True
        try:
            with artifacts.opened(path) as file:
                return b'"kind": "lineage"' in file.read(artifacts.LARGEST_JSON)
        except OSError:
            return False


def _key_of(path: Path) -> str | None:
    try:
        return Evaluation.read(path).key
    except ArtifactError:
        return None


def _all(record: Record) -> list[Path]:
    return [*record.outputs, record.path, artifacts.timing_path(record.artifact)]


def _shown(path: Path) -> str:
    return records.relative(path, Path.cwd())
