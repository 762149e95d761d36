"""Content-addressed store of evaluations: each under the digest of everything it depends on.

An evaluation is a pure function of its identity: the cell up to isomorphism, the task, the proxy's recipe, the data's
fingerprint, the seed and the digest of the code that computes it. The score is no part of it, so changing k, the
objective or the strategy re-uses every training already paid for, across rounds, runs and strategies. There is no lock:
two processes that train the same candidate at once write the same bytes under the same name.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autoshrink.cells.cell import operators_of
from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.lineage import agreement, records
from autoshrink.lineage.records import Facts
from autoshrink.params.base import Task
from autoshrink.params.root import PaperDefects
from autoshrink.params.sections import UNTRACED, TaskProxy, TaskTraining, sections_of
from autoshrink.records.evaluation import Evaluation, EvaluationIdentity, TrialResult
from autoshrink.records.timing import EvaluationTiming, TrialTiming
from autoshrink.runtime import seeds
from autoshrink.tasks import code
from autoshrink.workflow.layout import stored_evaluation

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """What an evaluation depends on, all of it.

    ``proxy`` is the recipe: the proxy's, or the final training's. ``zero_cost`` names what judged the untrained
    network, where none was trained; ``numerics`` the effective mode; ``edge_tuning`` for how many epochs missing edges
    were tuned, where they were scored.
    """

    task: Task
    cell: str
    proxy: TaskProxy | TaskTraining
    data: str
    seed: int
    defects: PaperDefects
    zero_cost: str | None = None
    numerics: str = "portable"
    edge_tuning: int | None = None

    def record(self) -> EvaluationIdentity:
        """Return the identity as an evaluation's file has it. The data's name is left out: its digest says what it
        is."""
        untraced = UNTRACED if self.by_final_recipe else ()
        defects = self.defects.model_dump(mode="json") if sections_of(self.task).paper_defects else {}
        return EvaluationIdentity(
            evaluator=code.evaluator(self.task, self.method, operators=operators_of(self.cell)),
            task=self.task,
            cell=self.cell,
            proxy=self.proxy.model_dump(mode="json", exclude={"dataset", *untraced}),
            data=self.data,
            seed=self.seed,
            defects=tuple(sorted(name for name, is_on in defects.items() if is_on)),
            numerics=self.numerics,
            zero_cost=self.zero_cost,
            edge_tuning=self.edge_tuning,
            recipe="final" if self.by_final_recipe else None,
        )

    @property
    def by_final_recipe(self) -> bool:
        """Whether the final training's recipe evaluates."""
        return isinstance(self.proxy, TaskTraining)

    @property
    def method(self) -> str:
        """The method of the task's description that evaluates."""
        if self.by_final_recipe:
            return "train"
        if self.zero_cost is not None:
            return "zero_cost"
        return "trial" if self.edge_tuning is None else "edge_trial"

    @property
    def key(self) -> str:
        """The sha256 that the evaluation is kept under."""
        return artifacts.digest_of(self.record().to_json())

    @property
    def candidate_seed(self) -> int:
        """The seed of the candidate's own draws, which depends on no other candidate; the final recipe's is the root
        seed."""
        if self.by_final_recipe:
            return self.seed
        return seeds.derive(self.seed, f"evaluation/{self.task}/{self.cell}")


class Store:
    """A folder of evaluations, one sealed file each, shared by any number of runs and processes.

    ``made_by`` gives the facts of the lineage record that a new evaluation gets; None: it gets none. ``run`` is what
    the run's jobs took so far, which an evaluation that is found here must agree with.
    """

    def __init__(
        self,
        folder: Path,
        made_by: Callable[[], Facts] | None = None,
        run: agreement.Jobs | None = None,
    ) -> None:
        self.folder = folder / "evaluations"
        self.made_by = made_by
        self.run = run

    def path(self, key: str) -> Path:
        """Return where the evaluation of this key is kept."""
        return stored_evaluation(self.folder.parent, key)

    def get(self, identity: Identity) -> Evaluation | None:
        """Return the evaluation, or None where there is none. A damaged one is set aside and logged.

        Raises ArtifactError where a file stands in its place that no record says AutoShrink wrote, and where the run
        holds other numbers under this key.
        """
        path = self.path(identity.key)
        if not path.exists():
            return None
        try:
            found = Evaluation.read(path)
            if found.identity != identity.record():
                raise ArtifactError(f"{path}: is the evaluation of something else")
        except ArtifactError as error:
            if not records.path_of(path).is_file() and not artifacts.is_sealed(path):
                raise ArtifactError(f"{error}; no record says that AutoShrink wrote it, so it is left alone") from None
            moved = artifacts.set_aside(path, "damaged")
            log.warning("%s; set aside as %s and evaluated again", error, moved.name)
            return None
        if self.run is not None:
            self.run.check(found, path)
        return found

    def put(self, identity: Identity, result: TrialResult) -> Evaluation:
        """Keep a result and return the evaluation."""
        evaluation = Evaluation(
            key=identity.key, identity=identity.record(), seed=identity.candidate_seed, **dict(result)
        )
        path = self.path(identity.key)
        if self.made_by is not None:
            # the record first: whatever happens in between, no evaluation stands without its origin
            digest = hashlib.sha256(evaluation.sealed()).hexdigest()
            records.write(path, {}, {path: digest}, self.made_by())
        evaluation.write(path)
        return evaluation

    def put_timing(self, identity: Identity, timing: TrialTiming) -> None:
        """Keep what the evaluation took beside it; no digest covers it."""
        EvaluationTiming(**dict(timing)).write_beside(self.path(identity.key))

    def timing(self, identity: Identity) -> TrialTiming:
        """Return what the evaluation took, empty where that is not known."""
        return EvaluationTiming.beside(self.path(identity.key))
