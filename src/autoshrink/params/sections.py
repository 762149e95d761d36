"""The sections that a task brings to params.yaml: under ``search``, ``proxy`` and ``training``, and its data sets."""

import importlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, create_model, field_validator

from autoshrink.params.base import Section, Task

if TYPE_CHECKING:
    from autoshrink.params.search import TaskSearch


class Dataset(Section):
    """Where a data set comes from. ``source`` tells the types apart."""

    task: ClassVar[Task]
    """Which task's networks it is for."""
    if TYPE_CHECKING:
        source: str

    @property
    def unfit(self) -> str | None:
        """Why a search cannot use it; None where it can."""
        return None


class TaskProxyTraining(Section):
    """How a candidate of any task is trained."""

    epochs: int


class TaskProxy(Section):
    """How candidates of any task are judged."""

    dataset: str
    # each task declares these itself, in the order that params.yaml shows
    if TYPE_CHECKING:
        network: Section
        training: TaskProxyTraining


UNTRACED = {"keep_checkpoints", "checkpoint_steps", "loader_workers"}
"""Keys of a full recipe that change no result, and so stand in no identity."""

Part = Annotated[float, Field(gt=0, lt=1)]


class TaskTraining(Section):
    """The full recipe of any task."""

    dataset: str
    if TYPE_CHECKING:
        network: Section
        epochs: int
    shares: Annotated[list[Part], Field(min_length=2)] | Literal["balanced"] | None = None
    """Share of each batch per process in multi-process training, such as [0.67, 0.33]; ``balanced`` measures the
    processes' speed first; null: equal shares. Gradients are weighted by examples, batch statistics synchronised."""

    @property
    def shared_batch(self) -> tuple[int, int] | None:
        """A step's examples, and what each process's part is a multiple of; None where only one process can train."""
        return None

    @field_validator("shares")
    @classmethod
    def _whole(cls, value: object) -> object:
        if isinstance(value, list) and abs(sum(value) - 1) > 1e-9:
            raise ValueError(f"{value} add up to {sum(value):.6g}; accepted: shares that add up to 1")
        return value


class TaskReferences(Section):
    """Which networks a task's found one is compared with, and at what equal cost."""

    networks: list[str] = []
    """Their names; [] compares with none."""
    cost: Literal["macs", "parameters"] = "macs"
    """The cost of the found network that each is scaled to, in width."""
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.03
    """How far from it a reference's cost may be, as a share of it."""
    learning_rates: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1, max_length=20)] = [1.0]
    """Multiples of the recipe's learning rate. With several, each network, the found one included, is trained with
    each under the first seed, and keeps the one that is best on validation data."""

    @field_validator("networks", "learning_rates")
    @classmethod
    def _different(cls, value: list[Any]) -> list[Any]:
        if len(set(value)) < len(value):
            raise ValueError(f"entries must differ from each other, found {value}")
        return value


def _reads(key: str, network: Section, operators: Collection[str]) -> bool:
    return True


@dataclass(frozen=True)
class TaskSections:
    """The types of a task's sections; all but the data sets have defaults for every key.

    ``references`` and the names in ``known_references`` are for tasks whose networks can be scaled in width.
    """

    search: "type[TaskSearch]"
    proxy: type[TaskProxy]
    training: type[TaskTraining]
    datasets: tuple[type[Dataset], ...]
    references: type[TaskReferences] = TaskReferences
    known_references: tuple[str, ...] = ()
    """The networks that a found one can be compared with, besides random cells and a user's own."""
    zero_cost: tuple[str, ...] = ()
    """The measures of untrained networks that are defined for its networks."""
    edge_operators: tuple[str, ...] = ()
    """The operators of cells whose missing edges can be scored."""
    paper_defects: bool = False
    """Whether the proxy reads the section ``paper_defects``."""
    in_words: str = ""
    """What is searched for, such as ``a CNN cell``."""
    width_keys: tuple[str, ...] = ()
    """Keys of ``network`` that scaling to a budget sets."""
    reads: Callable[[str, Section, Collection[str]], bool] = _reads
    """Whether a network reads a key of its section where its cell's nodes carry these operators."""


@cache
def sections_of(task: Task) -> TaskSections:
    """Return the sections of a task, out of its description."""
    found = importlib.import_module(task.module).SPEC.sections
    assert isinstance(found, TaskSections)
    return found


def dataset_types() -> tuple[type[Dataset], ...]:
    """Return the types of all tasks' data sets."""
    return tuple(kind for task in Task for kind in sections_of(task).datasets)


class PerTask(Section):
    """A section that holds one section per task, under the task's name."""

    def __getattr__(self, name: str) -> Any:
        """Return a task's section, for type checkers: ``per_task`` declares them at run time."""
        raise AttributeError(f"{type(self).__name__!r} has no section {name!r}")


Container = TypeVar("Container", bound=PerTask)


def per_task(kind: str, describe: Callable[[TaskSections], str]) -> Callable[[type[Container]], type[Container]]:
    """Return a decorator that gives a container one field per task: its ``kind`` of section, with its defaults."""

    def declare(container: type[Container]) -> type[Container]:
        declared: Any = {}
        for task in Task:
            sections = sections_of(task)
            section = getattr(sections, kind)
            declared[task.value] = (section, Field(default=section(), description=describe(sections)))
        name, doc, module = container.__name__, container.__doc__, container.__module__
        return create_model(name, __base__=container, __doc__=doc, __module__=module, **declared)

    return declare
