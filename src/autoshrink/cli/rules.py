"""Functions that the workflow's rules use for inputs, params and resources: each asks the plan for a job."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autoshrink.cli.preflight import or_exit
from autoshrink.params.base import Task
from autoshrink.tasks import availability
from autoshrink.workflow import attempts, resources
from autoshrink.workflow.plan import Plan

Wildcards = Any
"""Snakemake's wildcards: a mapping whose values are attributes too."""


class Rules:
    """The functions for one plan. A user's mistake ends Snakemake in one line, before any job."""

    def __init__(self, plan: Plan, workflow: Any) -> None:
        self._plan, self._workflow = plan, workflow

    def planned(self, question: Callable[..., Any], *arguments: Any) -> Callable[[Wildcards], Any]:
        """Return an input or params function: the plan's answer for the job's wildcards."""
        return lambda wildcards: or_exit(question, *arguments, **wildcards)

    def trigger(self, verb: str) -> Callable[[Wildcards], Any]:
        """Return a params function: the parameters a step depends on; when they change, the step runs again."""
        return lambda wildcards: self._plan.slice(verb, wildcards.get("task"), wildcards.get("dataset"))

    def code(self, verb: str) -> Callable[[Wildcards], str | None]:
        """Return a params function: the digest of a step's code; when it changes, the step runs again."""
        return lambda wildcards: self._plan.code(verb, wildcards.get("task"), wildcards.get("dataset"))

    def resource(self, kind: str, verb: str) -> Callable[[Wildcards, int, str], int]:
        """Return a resource function: a step's need by the parameters; more of what earlier attempts lacked."""

        def asked(wildcards: Wildcards, attempt: int, rulename: str) -> int:
            ended, limits = attempts.causes(rulename, wildcards, attempt), attempts.limits(rulename, wildcards)
            return self._plan.resource(
                kind, verb, wildcards.get("task"), ended, limits, 1 if kind == "gpu" else self._processes(rulename)
            )

        return asked

    def cpus(self, verb: str) -> Callable[[Wildcards, str], int]:
        """Return a function for ``threads``: the CPUs that a step uses, with those that load data for it."""
        return lambda wildcards, rulename: self._plan.cpus(verb, wildcards.get("task"), self._processes(rulename))

    def _processes(self, rule: str) -> int:
        """Return how many processes a rule's step has on a node: more than one where a user gave it several GPUs."""
        asked = _given(self._workflow.get_rule(rule).resources)
        if not {"gpu", "gres"} & set(asked):
            return 1
        return resources.processes_on_a_node(self._plan.parameters, asked) or 1

    def manifest(self, recipe: str) -> Callable[[Wildcards], Path]:
        """Return an input function: the manifest of the data that ``proxy`` or ``training`` names for the task."""
        return lambda wildcards: self._plan.manifest(recipe, wildcards.task)

    def vectors(self, recipe: str) -> Callable[[Wildcards], list[Path]]:
        """Return an input function: the pre-trained vectors, if any, that ``proxy`` or ``training`` names."""
        return lambda wildcards: or_exit(availability.side_inputs, self._plan.parameters, recipe, Task(wildcards.task))


def training_resources(workflow: Any) -> Mapping[str, Any]:
    """Return the resources that a user gave the rule ``train``; none where another workflow has left it out."""
    name = workflow.modifier.modify_rulename("train")
    return _given(workflow.get_rule(name).resources) if workflow.is_rule(name) else {}


def _given(resources: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the resources that a user gave a rule: those that follow from the parameters are functions."""
    return {name: found.raw for name, found in resources.items() if getattr(found, "raw", None) is not None}


def to_prepare(workflow: Any) -> set[str] | None:
    """Return the data sets that the run's jobs prepare; None where Snakemake has not planned its jobs yet."""
    name = workflow.modifier.modify_rulename("prepare")
    jobs = None if workflow.dag is None else workflow.dag.needrun_jobs()
    return None if jobs is None else {job.wildcards.dataset for job in jobs if job.rule.name == name}
