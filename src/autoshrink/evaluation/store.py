"""Evaluations as values, kept under the digest of exactly what they depend on.

An evaluation is a pure function of its identity: the cell up to isomorphism, the task, the proxy's recipe, the data's
fingerprint, the seed and the digest of the code that computes it. The score is no part of it, so changing k, the
objective or the strategy re-uses every training already paid for, across rounds, runs and strategies. There is no lock:
two processes that train the same candidate at once write the same bytes under the same name.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.lineage import records
from autoshrink.params.base import Task
from autoshrink.params.root import PaperDefects
from autoshrink.params.sections import TaskProxy, sections_of
from autoshrink.runtime import seeds
from autoshrink.tasks import code

KIND, VERSION = "evaluation", 1
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Identity:
    """What an evaluation depends on, all of it.

    ``zero_cost`` names what judged the untrained network, where none was trained; ``numerics`` the effective mode.
    """

    task: Task
    cell: str
    proxy: TaskProxy
    data: str
    seed: int
    defects: PaperDefects
    zero_cost: str | None = None
    numerics: str = "portable"

    def to_json(self) -> dict[str, Any]:
        """Return the identity as JSON values. The data's name is left out: its digest says what it is."""
        recipe = self.proxy.model_dump(mode="json", exclude={"dataset"})
        defects = self.defects.model_dump(mode="json") if sections_of(self.task).paper_defects else {}
        untrained = {} if self.zero_cost is None else {"zero_cost": self.zero_cost}
        return {
            **untrained,
            "evaluator": code.evaluator(self.task, trained=self.zero_cost is None),
            "task": str(self.task),
            "cell": self.cell,
            "proxy": recipe,
            "data": self.data,
            "seed": self.seed,
            "defects": sorted(name for name, is_on in defects.items() if is_on),
            "numerics": self.numerics,
        }

    @property
    def key(self) -> str:
        """The sha256 that the evaluation is kept under."""
        return artifacts.digest_of(self.to_json())

    @property
    def candidate_seed(self) -> int:
        """The seed of the candidate's own draws; it depends on no other candidate."""
        return seeds.derive(self.seed, f"evaluation/{self.task}/{self.cell}")


class Store:
    """A folder of evaluations, one sealed file each, shared by any number of runs and processes.

    ``made_by`` gives the facts of the lineage record that a new evaluation gets; None: it gets none.
    """

    def __init__(self, folder: Path, made_by: Callable[[], Mapping[str, Any]] | None = None) -> None:
        self.folder = folder / "evaluations"
        self.made_by = made_by

    def path(self, key: str) -> Path:
        """Return where the evaluation of this key is kept."""
        return self.folder / key[:2] / f"{key}.json"

    def get(self, identity: Identity) -> dict[str, Any] | None:
        """Return the evaluation's content, or None where there is none. A damaged one is set aside and logged.

        Raises ArtifactError where a file stands in its place that no record says AutoShrink wrote.
        """
        path = self.path(identity.key)
        if not path.exists():
            return None
        try:
            content = artifacts.read_sealed(path, KIND, VERSION)
            if content["identity"] != identity.to_json():
                raise ArtifactError(f"{path}: is the evaluation of something else")
        except ArtifactError as error:
            if not records.path_of(path).is_file() and not artifacts.is_sealed(path):
                raise ArtifactError(f"{error}; no record says that AutoShrink wrote it, so it is left alone") from None
            moved = artifacts.set_aside(path, "damaged")
            log.warning("%s; set aside as %s and evaluated again", error, moved.name)
            return None
        return content

    def put(self, identity: Identity, result: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a result and return the evaluation's content."""
        content = {"key": identity.key, "identity": identity.to_json(), "seed": identity.candidate_seed, **result}
        path = self.path(identity.key)
        if self.made_by is not None:
            # the record first: whatever happens in between, no evaluation stands without its origin
            digest = hashlib.sha256(artifacts.sealed_bytes(KIND, VERSION, content)).hexdigest()
            records.write(path, {}, {path: digest}, self.made_by())
        artifacts.write_sealed(path, KIND, VERSION, content)
        return content

    def put_timing(self, identity: Identity, timing: Mapping[str, Any]) -> None:
        """Keep what the evaluation took beside it; no digest covers it."""
        artifacts.write_timing(self.path(identity.key), timing)

    def timing(self, identity: Identity) -> dict[str, Any]:
        """Return what the evaluation took, empty where that is not known."""
        return artifacts.read_timing(self.path(identity.key))
