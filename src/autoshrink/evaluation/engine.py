"""Evaluating a proposal's slots: what the store has is taken from it, the rest is trained and kept at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError
from autoshrink.evaluation import job_results
from autoshrink.evaluation.proxy_networks import Networks
from autoshrink.evaluation.store import Identity, Store
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.sections import TaskProxy
from autoshrink.runtime import numerics
from autoshrink.search.rounds import PROPOSAL, section_of
from autoshrink.search.rounds import VERSION as PROPOSAL_VERSION
from autoshrink.tasks import availability
from autoshrink.tasks.spec import spec_of


@dataclass(frozen=True)
class Event:
    """Something worth telling a person: ``slot`` finished ``epochs`` epochs, of at most ``limit``."""

    slot: int
    epochs: int
    limit: int
    done: bool
    reused: bool
    metrics: Mapping[str, Any]


def evaluate(
    parameters: Parameters,
    task: Task,
    proposal: Path,
    slots: range,
    data: Path,
    store: Store,
    out: Path,
    tell: Callable[[Event], None],
) -> tuple[int, int, dict[str, Any]]:
    """Evaluate the proposal's candidates in ``slots``, write their evaluations to ``out``.

    Returns how many were re-used, how many there were, and the timing: device-seconds per slot. Data is read, and torch
    imported, only when something must be trained or measured. In round 1, raises ParameterError when no cell at all can
    be within the objective's limits, before anything is trained.
    """
    content = artifacts.read_sealed(proposal, PROPOSAL, PROPOSAL_VERSION)
    if content["task"] != task:
        raise UserError(f"{proposal}: is a proposal for {content['task']}, not for {task}")
    recipe = spec_of(task).proxy(parameters)
    fingerprint = artifacts.digest_of_file(data / "manifest.json")
    for file in availability.side_inputs(parameters, "proxy", task):
        fingerprint = artifacts.digest_of([fingerprint, artifacts.digest_of_file(file)])
    networks = Networks(parameters, task, data)
    evaluations: dict[int, Any] = {}
    timing: dict[str, Any] = {}
    reused = 0
    waiting: dict[int, tuple[Identity, Cell]] = {}
    for item in content["candidates"]:
        if item["slot"] not in slots:
            continue
        look = item["fidelity"] or {}
        identity = Identity(
            task,
            item["key"],
            _shortened(recipe, look.get("epochs")),
            fingerprint,
            parameters.seed,
            parameters.paper_defects,
            look.get("zero_cost"),
            numerics.effective(parameters.compute.numerics),
        )
        found = store.get(identity)
        if found is None:
            waiting[item["slot"]] = (identity, Cell.from_json(item["canonical"]))
            continue
        reused += 1
        evaluations[item["slot"]] = found
        timing[str(item["slot"])] = {**store.timing(identity), "reused": True}
        tell(Event(item["slot"], len(found["history"]), recipe.training.epochs, True, True, found["metrics"]))

    measurements = None
    objective = section_of(parameters, task).objective
    if objective.limits or objective.needs_measuring:
        from autoshrink.evaluation import limits
        from autoshrink.evaluation.measured import Measurements

        measurements = Measurements(parameters, task, networks, fingerprint, store.folder.parent)
        if content["round"] == 1:
            limits.check(parameters, task, measurements)

    if waiting:
        from autoshrink.evaluation import scheduler

        # isomorphic candidates of this job are one evaluation
        slots_of: dict[str, list[int]] = {}
        for slot, (identity, _) in waiting.items():
            slots_of.setdefault(identity.key, []).append(slot)
        wanted = {key: waiting[same[0]] for key, same in slots_of.items()}

        def tell_epoch(key: str, entry: Mapping[str, Any]) -> None:
            limit = wanted[key][0].proxy.training.epochs
            tell(Event(slots_of[key][0], entry["epoch"] + 1, limit, False, False, entry))

        for key, found, seconds in scheduler.fill(store, wanted, networks.drawn, parameters.compute, tell_epoch):
            for slot in slots_of[key]:
                evaluations[slot] = found
                timing[str(slot)] = {**seconds, "reused": False}
                limit = wanted[key][0].proxy.training.epochs
                tell(Event(slot, len(found["history"]), limit, True, False, found["metrics"]))

    if measurements is not None and objective.needs_measuring:
        cells = {item["slot"]: Cell.from_json(item["canonical"]) for item in content["candidates"]}
        for slot, evaluation in evaluations.items():
            costs = {**evaluation["costs"], **measurements.of(cells[slot])}
            evaluations[slot] = {**evaluation, "costs": costs}

    job_results.write(out, content, evaluations)
    return reused, len(evaluations), {"slots": timing}


def _shortened(recipe: TaskProxy, epochs: int | None) -> TaskProxy:
    """Return the recipe with another number of epochs, where one is given."""
    if epochs is None:
        return recipe
    training = recipe.training.model_copy(update={"epochs": epochs})
    return recipe.model_copy(update={"training": training})
