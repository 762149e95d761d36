"""The static plan of a run: searches, rounds, jobs, and what each step reads.

All of it follows from the parameters alone: a search has at most so many rounds and a round so many candidates, so the
workflow's graph is static.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from autoshrink.files.artifacts import Json
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.verdict import FOUND
from autoshrink.search import rounds
from autoshrink.search.rounds import SearchName
from autoshrink.tasks import address, availability, entry_points
from autoshrink.workflow import resources
from autoshrink.workflow.attempts import UNLIMITED, Limits
from autoshrink.workflow.code import code_of
from autoshrink.workflow.layout import Layout, ModelFolder, SearchFolder, evidence_folder
from autoshrink.workflow.slices import slice_of


class Plan:
    """A run's plan.

    Methods that answer for one step take the step's wildcards, by their names and as text.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.layout = Layout.of(parameters)
        self._jobs = lru_cache(maxsize=None)(self._planned)

    @cached_property
    def searches(self) -> list[tuple[str, str]]:
        """Task and name of every search of the run; a study's are not among them."""
        return [
            (str(task), str(name)) for task in self.parameters.tasks for name in rounds.searches(self.parameters, task)
        ]

    def jobs(self, task: str, search: str) -> list[list[range]]:
        """Return, for each round 1, 2, ..., the slots of each of its evaluation jobs. Raises UserError."""
        return self._jobs(task, SearchName.parse(task, search).strategy)

    def _planned(self, task: str, strategy: str) -> list[list[range]]:
        return rounds.plan(self.parameters, Task(task), strategy)

    def rounds(self, task: str, search: str) -> list[Path]:
        """Return the states of all rounds of a search, the start left out."""
        folder = self._folder(task, search)
        return [folder.round(number).state for number, _ in enumerate(self.jobs(task, search), 1)]

    def previous(self, task: str, search: str, round: str) -> Path:
        """Return the state that a round starts from."""
        return self._folder(task, search).round(int(round) - 1).state

    def evaluations(self, task: str, search: str, round: str) -> list[Path]:
        """Return what the evaluation jobs of a round write."""
        jobs = self.jobs(task, search)[int(round) - 1]
        return [self._folder(task, search).round(round).evaluations(job) for job, _ in enumerate(jobs)]

    def slots(self, task: str, search: str, round: str, job: str) -> str:
        """Return the slots of an evaluation job, as ``autoshrink evaluate --slots`` takes them."""
        found = self.jobs(task, search)[int(round) - 1][int(job)]
        return f"{found.start}:{found.stop}"

    def repeats(self, task: str, search: str) -> list[Path]:
        """Return what the jobs write that evaluate a search's finalists; empty where there are to be none."""
        folder = self._folder(task, search).finalists
        return [folder.evaluations(job) for job, _ in enumerate(self._finalist_jobs(task))]

    def repeat(self, task: str, search: str, job: str) -> dict[str, str]:
        """Return which repeat and which slots such a job is for, as ``autoshrink repeat`` takes them."""
        number, slots = self._finalist_jobs(task)[int(job)]
        return {"repeat": str(number), "slots": f"{slots.start}:{slots.stop}"}

    def _finalist_jobs(self, task: str) -> list[tuple[int, range]]:
        return rounds.finalist_jobs(self.parameters, Task(task))

    def manifest(self, recipe: str, task: str) -> Path:
        """Return the manifest of the data that ``proxy`` or ``training`` names for the task."""
        return address.manifest(self.parameters, getattr(getattr(self.parameters, recipe), task).dataset)

    def fitted_to(self, task: str) -> list[Path]:
        """Return the manifest of the final training's data where candidates are fitted to a budget."""
        budget = rounds.section_of(self.parameters, Task(task)).objective.budget
        return [] if budget is None else [self.manifest("training", task)]

    def repeated_on(self, task: str) -> list[Path]:
        """Return the same manifest where finalists are fitted to a budget, or trained by the final recipe."""
        return [self.manifest("training", task)] if self._by_final_recipe(task) else self.fitted_to(task)

    def final_vectors(self, task: str) -> list[Path]:
        """Return the files beside the final training's data that finalists read."""
        return availability.side_inputs(self.parameters, "training", Task(task)) if self._by_final_recipe(task) else []

    def _by_final_recipe(self, task: str) -> bool:
        finalists = rounds.section_of(self.parameters, Task(task)).finalists
        return finalists is not None and finalists.recipe == "final"

    def reported(self) -> dict[str, list[Path]]:
        """Return what the report is made from, by kind."""
        folders = [self.layout.search(task, search) for task, search in self.searches]
        states = [
            self._folder(task, search).round(number).state
            for task, search in self.searches
            for number in range(len(self.jobs(task, search)) + 1)
        ]
        return {
            "rounds": states,
            "best": [folder.best for folder in folders],
            "histories": [folder.model.history for folder in folders],
            "metrics": [folder.metrics for folder in folders],
            "plans": self.training_plans(),
            "verdicts": self.verdicts(),
            "known_networks": [self.layout.known_networks] if self.parameters.report.known_networks else [],
        }

    def training_plans(self) -> list[Path]:
        """Return the plans of training on other accelerators, one for each search; empty where none is asked."""
        if self.parameters.plan.devices is None:
            return []
        return [self.layout.search(task, search).plan for task, search in self.searches]

    def networks(self, task: str) -> list[str]:
        """Return the folders' names of a task's verdict: the found network, then the references."""
        return [FOUND, *map(evidence_folder, self._references(task))]

    def reference(self, task: str, network: str, **_: str) -> str:
        """Return the reference, or ``found``, that a folder's name stands for."""
        names = {evidence_folder(name): name for name in (FOUND, *self._references(task))}
        return names.get(network, network)

    def verdicts(self) -> list[Path]:
        """Return the verdicts on the run's searches; there is none where there is nothing to compare with."""
        return [self._folder(task, search).verdict for task, search in self.searches if self._references(task)]

    def sources(self, task: str, network: str, **_: str) -> list[Path]:
        """Return the file that a user's own reference stands in; empty for others. Raises ParameterError."""
        name = self.reference(task, network)
        return [entry_points.source(name)] if ":" in name else []

    def tried_rates(self, task: str, search: str, network: str) -> list[Path]:
        """Return the histories of a network's trainings with each learning rate; empty where there is one rate."""
        rates = getattr(self.parameters.references, task).learning_rates
        folder = self._folder(task, search).evidence(network)
        return [folder.training(f"rate-{index}").model.history for index in range(len(rates))] if len(rates) > 1 else []

    def rate(self, task: str, search: str, network: str, training: str) -> list[Path]:
        """Return the learning rate that a training takes; empty where it is given."""
        tuned = training.startswith("seed-") and self.tried_rates(task, search, network)
        return [self._folder(task, search).evidence(network).rate] if tuned else []

    def trained(self, task: str, search: str, network: str) -> list[ModelFolder]:
        """Return a network's models, seed by seed. The found one's first is the search's own unless rates are tried."""
        folder = self._folder(task, search).evidence(network)
        models = [folder.training(f"seed-{number}").model for number in range(self.parameters.evidence.seeds)]
        if network == FOUND and not self.tried_rates(task, search, network):
            models[0] = self._folder(task, search).model
        return models

    def model_files(self, task: str, search: str, network: str) -> list[Path]:
        """Return the files of these models."""
        return [file for model in self.trained(task, search, network) for file in (model.description, model.weights)]

    def chosen_rate(self, task: str, search: str, network: str) -> list[Path]:
        """Return the learning rate that was chosen for a network; empty where it is given."""
        return self.rate(task, search, network, "seed-0")

    def trained_folders(self, task: str, search: str, network: str) -> list[Path]:
        """Return the folders of a network's models, seed by seed."""
        return [model.folder for model in self.trained(task, search, network)]

    def test_options(self, task: str, search: str, network: str) -> list[str]:
        """Return what ``autoshrink test-reference`` is told of a network beside its models."""
        scaled = self._folder(task, search).evidence(network).training("seed-0").network
        options = [] if network == FOUND else [f"--network={scaled}"]
        return [*options, *(f"--rate={file}" for file in self.chosen_rate(task, search, network))]

    def tests(self, task: str, search: str) -> list[Path]:
        """Return what a verdict is made from: each network's test, then each network's outcomes."""
        folders = [self._folder(task, search).evidence(network) for network in self.networks(task)]
        return [folder.test for folder in folders] + [folder.outcomes for folder in folders]

    def device_file(self) -> list[Path]:
        """Return the file that describes those accelerators; empty where an array that comes along is named."""
        path = Path(self.parameters.plan.devices or "")
        return [path] if path.is_file() else []

    def studied(self, task: str) -> list[Path]:
        """Return what a task's study is made from: rounds and, with final trainings, metrics."""
        names = [str(name) for name in rounds.study_searches(self.parameters, Task(task))]
        trained = names if self.parameters.study.final_training else []
        states = [state for name in names for state in self.rounds(task, name)]
        return states + [self._folder(task, name).metrics for name in trained]

    def slice(self, verb: str, task: str | None = None, dataset: str | None = None) -> Json:
        """Return the parameters that a step depends on; when they change, it runs again."""
        return slice_of(self.parameters, verb, None if task is None else Task(task), dataset)

    def code(self, verb: str, task: str | None = None, dataset: str | None = None) -> str | None:
        """Return the digest of the code that a step's results depend on; when it changes, the step runs again."""
        entry = None if dataset is None else self.parameters.datasets.get(dataset)
        if entry is not None:
            return code_of(verb, entry.task)
        return code_of(verb, None if task is None else Task(task))

    def resource(
        self,
        kind: str,
        verb: str,
        task: str | None,
        ended: Sequence[str] = (),
        limits: Limits = UNLIMITED,
        processes: int = 1,
    ) -> int:
        """Return a step's ``runtime``, ``mem_mb`` or ``gpu``, after attempts that ``ended`` so (``attempts``)."""
        return resources.of(self.parameters, verb, task, ended, limits, processes)[kind]

    def cpus(self, verb: str, task: str | None, processes: int = 1) -> int:
        """Return the CPUs that a step uses on a node."""
        return resources.cpus(self.parameters, verb, task, processes)

    def _references(self, task: str) -> list[str]:
        names: list[str] = getattr(self.parameters.references, task).networks
        return names

    def _folder(self, task: str, search: str) -> SearchFolder:
        return self.layout.search(task, search)
