"""The layout of a run's files. A name may also be a wildcard such as ``{task}``, so that rules take their patterns
here."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from autoshrink.params.root import Parameters
from autoshrink.tasks import address as addresses

CHECKPOINTS = "checkpoints"


def stored_evaluation(store: Path, key: str) -> Path:
    """Return where the store keeps the evaluation of this key."""
    return store / "evaluations" / key[:2] / f"{key}.json"


def evidence_folder(reference: str) -> str:
    """Return the name of a reference's folder: a user's own ``module:function`` without the colon."""
    return reference.replace(":", ".")


@dataclass(frozen=True)
class RoundFolder:
    """One round of a search; round 0 is the complete cell and has a state alone."""

    folder: Path

    @property
    def state(self) -> Path:
        """The finished round: its candidates, their scores, and the cell that was kept."""
        return self.folder / "round.json"

    @property
    def proposal(self) -> Path:
        """The candidates that are to be evaluated."""
        return self.folder / "proposal.json"

    def evaluations(self, job: int | str) -> Path:
        """Return what an evaluation job of the round writes."""
        return self.folder / f"evaluations-{job}.json"

    def written_evaluations(self) -> list[Path]:
        """Return the evaluation jobs' files that are there, in the order of the jobs."""
        found = {path.stem.removeprefix("evaluations-"): path for path in self.folder.glob("evaluations-*.json")}
        return [found[job] for job in sorted((job for job in found if job.isdigit()), key=int)]


@dataclass(frozen=True)
class ModelFolder:
    """A final model."""

    folder: Path

    @property
    def description(self) -> Path:
        """The cell and everything else that rebuilds the network."""
        return self.folder / "model.json"

    @property
    def weights(self) -> Path:
        """The trained weights."""
        return self.folder / "model.safetensors"

    @property
    def history(self) -> Path:
        """Losses and learning rates, epoch by epoch."""
        return self.folder / "history.json"

    @property
    def checkpoints(self) -> Path:
        """Where a training that was killed goes on from."""
        return self.folder / CHECKPOINTS


@dataclass(frozen=True)
class TrainingFolder:
    """One training of a network for the verdict: under one seed, or with one learning rate."""

    folder: Path

    @property
    def network(self) -> Path:
        """The network, scaled to the found one's cost."""
        return self.model.folder / "network.json"

    @property
    def model(self) -> ModelFolder:
        """The trained model."""
        return ModelFolder(self.folder / "model")


@dataclass(frozen=True)
class EvidenceFolder:
    """One network of the verdict: a reference, or the found one."""

    folder: Path

    def training(self, name: str) -> TrainingFolder:
        """Return the folder of a training, such as ``seed-0``, or ``rate-0`` where learning rates are tried."""
        return TrainingFolder(self.folder / name)

    @property
    def rate(self) -> Path:
        """The learning rate that was best on validation data, where several are tried."""
        return self.folder / "rate.json"

    @property
    def test(self) -> Path:
        """What its trainings are worth on the test split ..."""
        return self.folder / "test.json"

    @property
    def outcomes(self) -> Path:
        """... example by example."""
        return self.folder / "outcomes.npy"


@dataclass(frozen=True)
class SearchFolder:
    """One search: its rounds, its answer, the final model and what that is worth."""

    folder: Path

    def round(self, number: int | str) -> RoundFolder:
        """Return the folder of a round."""
        return RoundFolder(self.folder / f"round-{number if isinstance(number, str) else format(number, '02d')}")

    def finished_rounds(self) -> Iterator[RoundFolder]:
        """Yield the rounds from 0 on that are there, as far as they follow each other."""
        number = 0
        while (found := self.round(number)).state.exists():
            yield found
            number += 1

    def rounds(self) -> list[RoundFolder]:
        """Return the folders of all rounds that are there."""
        return [RoundFolder(found) for found in sorted(self.folder.glob("round-*")) if found.is_dir()]

    @property
    def finalists(self) -> RoundFolder:
        """The folder of the finalists: a proposal, and evaluations under seeds of their own; no state follows."""
        return RoundFolder(self.folder / "finalists")

    @property
    def best(self) -> Path:
        """The answer: the best cell of all rounds."""
        return self.folder / "best.json"

    @property
    def front(self) -> Path:
        """The candidates that no other dominates."""
        return self.folder / "front.json"

    @property
    def metrics(self) -> Path:
        """What the final model is worth on the test split."""
        return self.folder / "metrics.json"

    @property
    def test_details(self) -> Path:
        """Predictions and confusions behind the metrics."""
        return self.folder / "test-details.json"

    @property
    def plan(self) -> Path:
        """The plan of the answer's training on other accelerators."""
        return self.folder / "plan.json"

    def evidence(self, network: str) -> EvidenceFolder:
        """Return the folder of a reference, or of ``found``."""
        return EvidenceFolder(self.folder / "evidence" / network)

    @property
    def verdict(self) -> Path:
        """Whether the found network beats the references."""
        return self.folder / "evidence" / "verdict.json"

    @property
    def model(self) -> ModelFolder:
        """The final model."""
        return ModelFolder(self.folder / "model")


@dataclass(frozen=True)
class Layout:
    """A run's folders: ``results`` of its own, ``data`` and ``store`` shared with other runs."""

    results: Path
    data: Path
    store: Path

    @classmethod
    def of(cls, parameters: Parameters) -> "Layout":
        """Return the layout that the parameters ask for."""
        return cls(*(Path(getattr(parameters.paths, name)) for name in ("results", "data", "store")))

    @property
    def roots(self) -> dict[str, Path]:
        """The three folders by the parameters that name them."""
        return {f"paths.{name}": getattr(self, name) for name in ("results", "data", "store")}

    def at(self, results: Path) -> "Layout":
        """Return the same layout with another results folder, for a run that was moved or copied."""
        return replace(self, results=results)

    def search(self, task: str, name: object) -> SearchFolder:
        """Return the folder of a search, such as shrink-0."""
        return SearchFolder(self.results / task / str(name))

    def manifest(self, dataset: str, address: str) -> Path:
        """Return the manifest that vouches for a data set prepared under an address (``tasks.address``)."""
        return self.data / addresses.folder_name(dataset, address) / addresses.MANIFEST

    @property
    def downloads(self) -> Path:
        """Raw data that was fetched."""
        return self.data / "downloads"

    @property
    def snapshots(self) -> Path:
        """The parameters as each run was started with them."""
        return self.results / "params"

    @property
    def report(self) -> Path:
        """Tables, figures and the page."""
        return self.results / "report"

    @property
    def report_record(self) -> Path:
        """The report's lineage record: an output of its step, for nothing else tells the workflow that it is gone."""
        return self.report / "report.lineage.json"

    @property
    def known_networks(self) -> Path:
        """Costs of known networks, counted as the found ones are."""
        return self.report / "known-networks.json"

    def study(self, task: str) -> Path:
        """Return the folder of a task's comparison of strategies."""
        return self.results / "study" / task

    @property
    def logs(self) -> Path:
        """What steps say, for people."""
        return self.results / "logs"

    def log(self, *names: object) -> Path:
        """Return a step's log, such as ``("cnn", "shrink-0", "train")``."""
        return self.logs.joinpath(*(str(name) for name in names[:-1]), f"{names[-1]}.log")

    def progress(self, *names: object) -> Path:
        """Return where a step writes how far it is, beside its log and by the same names."""
        return self.log(*names).with_suffix(".progress.jsonl")
