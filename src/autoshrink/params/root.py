"""All parameters of a run, and the constraints between sections."""

import re
from functools import reduce
from operator import or_
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from autoshrink.errors import meant
from autoshrink.files.artifacts import Json
from autoshrink.params.base import Section, Task
from autoshrink.params.data import BUILT_IN
from autoshrink.params.objective import BOARDS, Board
from autoshrink.params.plan import TrainingPlan
from autoshrink.params.references import Evidence, References, check_names
from autoshrink.params.search import MOST_STAGES
from autoshrink.params.searches import Search
from autoshrink.params.sections import Dataset, PerTask, dataset_types, per_task, sections_of
from autoshrink.params.strategies import FireflyStrategy, OutsideStrategy
from autoshrink.params.study import Study

if TYPE_CHECKING:
    AnyDataset = Dataset
else:
    AnyDataset = Annotated[reduce(or_, dataset_types()), Field(discriminator="source")]

DATASET_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


def _folder(value: str) -> str:
    """Return a folder's path in its plain form. Raises ValueError on one that the pipeline must not write to."""
    if not value.strip():
        raise ValueError("is empty; accepted: a folder, such as results, or an absolute path")
    # braces are the workflow's wildcards, and no line of output could show the rest
    if odd := [sign for sign in value if sign in "{}" or not sign.isprintable()]:
        raise ValueError(f"holds {odd[0]!r}; accepted: any folder without braces, line breaks and control characters")
    path = PurePath(value)
    if ".." in path.parts:
        raise ValueError("holds '..'; give the folder without it, or an absolute path")
    if path.parts[:1] == ("~",):
        raise ValueError("begins with '~', which no shell expands here; write the home folder out")
    if str(path) in ("/", "//", "."):
        raise ValueError("is no folder of the pipeline's own; accepted: a folder, such as results, or an absolute path")
    return str(path)


Folder = Annotated[str, AfterValidator(_folder)]


def _place(value: str) -> str:
    """Return a place on object storage. Raises ValueError on one that is none, or that Snakemake or a shell could read
    otherwise: braces are wildcards, and its copy here lies in folders of these names."""
    accepted = (
        "accepted: SCHEME://NAME/..., such as s3://bucket/run, of letters (a to z, A to Z), digits and . _ - + = @"
    )
    if odd := [sign for sign in value if not (sign.isascii() and sign.isalnum()) and sign not in ":/._-+=@"]:
        raise ValueError(f"holds {odd[0]!r}; {accepted}")
    scheme, found, names = value.partition("://")
    if not found or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise ValueError(f"begins with no scheme, in small letters; {accepted}")
    if wrong := {"", ".", ".."} & set(names.split("/")):
        raise ValueError(f"has the part {min(wrong)!r} between its slashes; {accepted}")
    return value


class Paths(Section):
    """Output folders, absolute or relative to the working directory."""

    data: Folder = "data"
    """Prepared data sets and downloads."""
    store: Folder = "store"
    """Evaluations, shared by all runs."""
    results: Folder = "results"
    """This run: rounds, models, metrics, report."""
    storage: Annotated[str, AfterValidator(_place)] | None = None
    """Where ``snakemake publish`` puts a finished run, such as ``s3://bucket/run``: a scheme that an installed storage
    plugin of Snakemake's knows, then letters (a to z, A to Z), digits and ``. _ - + = @ : /``."""

    @model_validator(mode="after")
    def _different_folders(self) -> "Paths":
        for first, second in (("data", "store"), ("data", "results"), ("store", "results")):
            if getattr(self, first) == getattr(self, second):
                raise ValueError(
                    f"{first} and {second} must be different folders, found {getattr(self, first)!r} twice"
                )
        return self


class Compute(Section):
    """Device, threads and numerics of a job."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` uses a CUDA device if there is one."""
    threads: Annotated[int, Field(ge=1)] = 1
    """CPU threads per job. Candidates train in parallel, one thread each, so their results do not depend on the number;
    finalists with ``recipe: final`` one after another, on one thread: ``slots_per_job: 1`` spreads them over more jobs.
    A final training uses all threads, and is bit-identical between runs with the same number."""
    numerics: Literal["portable", "native"] = "portable"
    """``portable`` pins libraries to kernels that give identical bits on every x86-64 CPU with AVX2; ``native`` uses
    each CPU's own kernels, so results may differ between CPU models."""
    deterministic: bool = True
    """Use deterministic kernels on a CUDA device (a CPU always does)."""
    cuda_graphs: bool = True
    """Replay the search's training steps as CUDA graphs; off: launch kernel by kernel, with the same results."""
    channels_last: bool = True
    """Lay images out channels-last on a CUDA device, as a CPU always does; off: channels first, where depthwise
    convolutions are torch's own kernels instead of cuDNN's."""
    container: Annotated[str, Field(min_length=1, pattern=r"^\S+$")] | None = None
    """An image that has the steps' programs, for ``--software-deployment-method apptainer``: ``docker://...`` or an
    image file. null: the environment that Snakemake runs in."""
    max_memory_gib: Annotated[float, Field(gt=0)] | None = None
    """GPU memory for all candidates of a job, GiB; those that do not fit wait. null: all free memory."""


@per_task("proxy", lambda sections: f"How candidates of the search for {sections.in_words} are evaluated.")
class Proxy(PerTask):
    """The proxies of the searches."""


@per_task("training", lambda sections: f"The final training of {sections.in_words}.")
class Training(PerTask):
    """The full recipes of the final models."""


class Report(Section):
    """Additions to the report."""

    known_networks: bool = True
    """Add the released cells and torchvision's mobile architectures, counted by the same counter, to the table of
    metrics (takes about ten seconds, once)."""


class PaperDefects(Section):
    """Defects of the released code, to reproduce its numbers; off by default."""

    validation_from_test_split: bool = False
    """Draw the CNN proxy's validation images from the test split."""
    validation_with_replacement: bool = False
    """Draw them with replacement."""


class Parameters(Section):
    """All parameters of a run."""

    seed: Annotated[int, Field(ge=0, lt=2**63)] = 2020
    """The root seed: every random draw derives from it by name."""
    tasks: Annotated[list[Task], Field(min_length=1)] = [Task.CNN, Task.RNN]
    """Which searches to run."""
    paths: Paths = Paths()
    """Output folders."""
    compute: Compute = Compute()
    """Compute resources."""
    datasets: dict[str, AnyDataset] = dict(BUILT_IN)
    """Data sets by name, for ``proxy`` and ``training``. Built-in ones need no entry; an entry without ``source``
    modifies the built-in one of that name. A name has up to 64 letters (a to z, A to Z), digits, ``.``, ``_`` and
    ``-``, and starts with a letter or digit."""
    boards: dict[str, Board] = dict(BOARDS)
    """Devices by name, for ``objective.budget.board``. Built-in ones need no entry; an entry changes some limits of the
    built-in one of its name."""
    search: Search = Search()
    """The topology searches."""
    proxy: Proxy = Proxy()
    """How candidates are evaluated."""
    training: Training = Training()
    """How the final models are trained."""
    references: References = References()
    """What the found networks are compared with."""
    evidence: Evidence = Evidence()
    """How sure the verdict is to be."""
    study: Study = Study()
    """The comparison of strategies."""
    plan: TrainingPlan = TrainingPlan()
    """A plan of the found networks' training on other accelerators, beside the run."""
    report: Report = Report()
    """The report of the run."""
    paper_defects: PaperDefects = PaperDefects()
    """Defects to reproduce."""

    @model_validator(mode="after")
    def _different_tasks(self) -> "Parameters":
        if len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks must differ from each other, found {[str(task) for task in self.tasks]}")
        return self

    @field_validator("datasets", mode="before")
    @classmethod
    def _with_the_built_in(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        # an entry that names no source changes some keys of the built-in data set of its name
        changed = {
            name: {"source": BUILT_IN[name].source, **entry}
            if name in BUILT_IN and isinstance(entry, dict) and "source" not in entry
            else entry
            for name, entry in value.items()
        }
        return {**BUILT_IN, **changed}

    @model_validator(mode="after")
    def _names_of_data(self) -> "Parameters":
        for name in self.datasets:
            if not re.fullmatch(DATASET_NAME, name):
                raise ValueError(
                    f"datasets: the name {name!r} is not of letters, digits, '.', '_' and '-' that begin with a letter "
                    f"or digit, 64 at most"
                )
            if name == "downloads":
                raise ValueError("datasets: the name 'downloads' is taken by the folder of downloads; choose another")
        return self

    @model_validator(mode="after")
    def _known_data(self) -> "Parameters":
        for task in self.tasks:
            for section, recipe in (("proxy", self.proxy), ("training", self.training)):
                name = getattr(recipe, task).dataset
                fitting = sorted(key for key, entry in self.datasets.items() if entry.task == task)
                if name not in fitting:
                    there = self.datasets.get(name)
                    why = "is not an entry of datasets" if there is None else f"is data for the task {there.task}"
                    raise ValueError(f"{section}.{task}.dataset: {name!r} {why}; accepted: {', '.join(fitting)}")
            searched = getattr(self.proxy, task).dataset
            unfit = self.datasets[searched].unfit
            if unfit is not None:
                raise ValueError(f"proxy.{task}.dataset: {searched!r} {unfit}")
        return self

    @field_validator("boards", mode="before")
    @classmethod
    def _with_the_built_in_boards(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        changed = {
            name: {**BOARDS[name].model_dump(), **entry} if name in BOARDS and isinstance(entry, dict) else entry
            for name, entry in value.items()
        }
        return {**BOARDS, **changed}

    @model_validator(mode="after")
    def _budgets_of_boards(self) -> "Parameters":
        searches = {}
        for task in Task:
            search = getattr(self.search, task)
            budget = search.objective.budget
            if budget is None or budget.board is None:
                continue
            if budget.board not in self.boards:
                raise ValueError(
                    f"search.{task}.objective.budget.board: {budget.board!r} is not an entry of boards; accepted: "
                    f"{', '.join(self.boards)}"
                )
            objective = search.objective.model_copy(update={"budget": budget.on(self.boards[budget.board])})
            searches[str(task)] = search.model_copy(update={"objective": objective})
        # the limits stand in full where parameters are kept; a board that is edited later changes nothing that is done
        object.__setattr__(self, "search", self.search.model_copy(update=searches))
        return self

    @model_validator(mode="after")
    def _known_strategies(self) -> "Parameters":
        for task in self.tasks:
            for name in self.study.strategies:
                self.search.require(task, name, "study.strategies")
        return self

    @model_validator(mode="after")
    def _edges_are_slices(self) -> "Parameters":
        for task in self.tasks:
            names = [getattr(self.search, task).strategy, *self.study.strategies]
            scoring = [name for name in names if isinstance(self.search.strategies.get(name), FireflyStrategy)]
            wanted = getattr(getattr(self.proxy, task).network, "wanted_to_grow", None)
            if scoring and wanted:
                raise ValueError(
                    f"proxy.{task}.network: the strategy {scoring[0]!r} needs {wanted}; accepted otherwise: another "
                    "strategy"
                )
        return self

    @model_validator(mode="after")
    def _cells_of_stages(self) -> "Parameters":
        for task in self.tasks:
            search = getattr(self.search, task)
            if getattr(search, "cells", "shared") == "shared":
                continue
            key = f"search.{task}.cells = per_stage"
            proxy, final = (len(getattr(recipe, task).network.stage_cells) for recipe in (self.proxy, self.training))
            if proxy != final:
                raise ValueError(
                    f"{key}: proxy.{task}.network has {proxy} stages and training.{task}.network {final}; accepted: as "
                    "many of both, or shared"
                )
            if proxy > MOST_STAGES:
                raise ValueError(f"{key}: the networks have {proxy} stages; accepted: at most {MOST_STAGES}, or shared")
            changed = [] if search.finalists is None else search.finalists.networks
            for cells in (each["stage_cells"] for each in changed if "stage_cells" in each):
                if isinstance(cells, list) and len(cells) != proxy:
                    raise ValueError(
                        f"{key}: search.{task}.finalists.networks has stage_cells {cells}; accepted: {proxy} stages, "
                        "as the cell has, or shared"
                    )
            named = {f"search.{task}.strategy": [search.strategy], "study.strategies": self.study.strategies}
            for where, names in named.items():
                for name in names:
                    if isinstance(self.search.strategies.get(name), FireflyStrategy | OutsideStrategy):
                        raise ValueError(
                            f"{key}: {where} {name!r} searches one cell for all stages; accepted: a built-in strategy "
                            "other than firefly, or shared"
                        )
                    if getattr(self.search.strategies.get(name), "space", "topology") != "topology":
                        raise ValueError(
                            f"{key}: {where} {name!r} searches operators too, in one cell for all stages; accepted: "
                            "space: topology, or shared"
                        )
        return self

    @model_validator(mode="after")
    def _something_to_shrink(self) -> "Parameters":
        for task in Task:
            search = getattr(self.search, task)
            places, of = search.edges, "edges"
            if getattr(self.search.strategies[search.strategy], "space", "topology") == "topology_and_operators":
                places, of = places + (search.nodes - 1) * len(set(search.operators)), "edges and alternatives"
            elif getattr(search, "cells", "shared") == "per_stage":
                places, of = places * len(getattr(self.proxy, task).network.stage_cells), "edges of all stages"
            kept = round(search.keep_fraction * places)
            if kept >= places:
                raise ValueError(
                    f"search.{task}.keep_fraction = {search.keep_fraction}: keeps {kept} of {places} {of}: "
                    f"nothing would shrink; accepted: below {1 - 0.5 / places:.3f}, or more nodes"
                )
        return self

    @model_validator(mode="after")
    def _budgets_are_free(self) -> "Parameters":
        for task in Task:
            budget = getattr(self.search, task).objective.budget
            recipe = getattr(self.training, task)
            if budget is None:
                continue
            for section, network in (
                (f"proxy.{task}", getattr(self.proxy, task).network),
                (f"training.{task}", recipe.network),
            ):
                if getattr(network, "node_widths", None):
                    raise ValueError(
                        f"{section}.network.node_widths fixes widths that search.{task}.objective.budget is to find; "
                        "remove one of the two"
                    )
            growth = getattr(recipe, "growth", None)
            if growth is None or growth.budget is None or growth.cost not in budget.limits:
                continue
            limit = budget.limits[growth.cost]
            if growth.budget > limit:
                raise ValueError(
                    f"training.{task}.growth.budget = {growth.budget} is more than search.{task}.objective.budget."
                    f"{growth.cost} = {limit}; accepted: at most that, or null"
                )
        return self

    @model_validator(mode="after")
    def _recipe_of_finalists(self) -> "Parameters":
        for task in Task:
            finalists, recipe = getattr(self.search, task).finalists, getattr(self.training, task)
            if finalists is None or finalists.recipe == "proxy" or finalists.epochs is None:
                continue
            key = f"search.{task}.finalists.epochs = {finalists.epochs}"
            if finalists.epochs > recipe.epochs:
                raise ValueError(f"{key}: training.{task} has {recipe.epochs} epochs; accepted: at most as many")
            try:
                recipe.changed({"epochs": finalists.epochs})
            except ValidationError as error:
                said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
                raise ValueError(f"{key}: training.{task} cannot be so short: {said}") from None
        return self

    @model_validator(mode="after")
    def _networks_of_finalists(self) -> "Parameters":
        for task in Task:
            section = getattr(self.search, task)
            if section.finalists is None or not section.finalists.networks:
                continue
            key = f"search.{task}.finalists.networks"
            if section.objective.budget is None:
                raise ValueError(
                    f"{key}: networks are compared at equal cost, and search.{task}.objective.budget is null; set a "
                    "budget, or remove them"
                )
            recipes = (getattr(self.proxy, task), getattr(self.training, task))
            seen = [[recipe.network for recipe in recipes]]
            for number, changes in enumerate(section.finalists.networks):
                networks = [_changed(f"{key}.{number}", task, recipe, changes) for recipe in recipes]
                if networks in seen:
                    other = "the recipes' own" if networks == seen[0] else f"{key}.{seen.index(networks) - 1}"
                    raise ValueError(f"{key}.{number}: is the same network as {other}; remove one of the two")
                seen.append(networks)
                reads = sections_of(task).reads
                unread = [name for name in changes if not reads(name, networks[1], section.operators)]
                if unread:
                    raise ValueError(
                        f"{key}.{number}.{unread[0]}: is read by none of search.{task}.operators "
                        f"({', '.join(section.operators)}); remove it"
                    )
        return self

    @model_validator(mode="after")
    def _known_references(self) -> "Parameters":
        for task in self.tasks:
            names = getattr(self.references, task).networks
            check_names(names, sections_of(task).known_references, f"references.{task}.networks")
        return self

    @property
    def used_datasets(self) -> list[str]:
        """Names of the data sets that the chosen tasks read, each once."""
        names = [getattr(recipe, task).dataset for task in self.tasks for recipe in (self.proxy, self.training)]
        return list(dict.fromkeys(names))


def _changed(key: str, task: Task, recipe: Any, changes: Json) -> Section:
    """Return the network of a recipe with ``changes``. Raises ValueError, in one line, where they do not fit it."""
    if not changes:
        raise ValueError(f"{key}: changes nothing; accepted: keys of training.{task}.network with other values")
    if scaled := [name for name in changes if name in sections_of(task).width_keys]:
        raise ValueError(f"{key}.{scaled[0]}: is what scaling to the budget sets; remove it")
    try:
        network = recipe.network.changed(changes)
        recipe.changed({"network": network.model_dump()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            fields = type(recipe.network).model_fields
            raise ValueError(f"{key}.{name}: is no key of training.{task}.network{meant(name, fields)}") from None
        said = first["msg"].removeprefix("Value error, ")
        where = f"{key}.{'.'.join(map(str, first['loc']))}" if name in changes else key
        raise ValueError(
            f"{where}: {said[0].lower()}{said[1:]}, found {first['input'] if name in changes else changes}"
        ) from None
    assert isinstance(network, Section)
    return network
