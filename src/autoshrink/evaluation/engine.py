"""Evaluate a proposal's slots: reuse what the store has, train and store the rest."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autoshrink.cells.cell import Cell
from autoshrink.errors import UserError
from autoshrink.evaluation.proxy_networks import Networks
from autoshrink.evaluation.store import Identity, Store
from autoshrink.files import artifacts
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.sections import TaskProxy
from autoshrink.records.evaluation import EpochEntry, Evaluation, EvaluationJob, Fitted
from autoshrink.records.proposal import Proposal, ProposedSlot
from autoshrink.records.record import Metrics
from autoshrink.records.timing import SlotTiming, TrialTiming
from autoshrink.runtime import numerics
from autoshrink.search import finalists
from autoshrink.search.rounds import section_of
from autoshrink.tasks import address, availability
from autoshrink.tasks.spec import spec_of


@dataclass(frozen=True)
class Event:
    """Something worth telling a person: ``slot`` finished ``epochs`` epochs, of at most ``limit``."""

    slot: int
    epochs: int
    limit: int
    done: bool
    reused: bool
    metrics: Metrics | EpochEntry


def evaluate(
    parameters: Parameters,
    task: Task,
    proposal: Path,
    slots: range,
    data: Path,
    store: Store,
    out: Path,
    tell: Callable[[Event], None],
    repeat: int | None = None,
    final_data: Path | None = None,
) -> tuple[int, int, dict[str, SlotTiming]]:
    """Evaluate the proposal's candidates in ``slots``, write their evaluations to ``out``.

    ``repeat``, of finalists, counts from 1: its evaluations are those of a run with another root seed, which redraws
    the proxy's data too.

    Returns how many were re-used, how many there were, and what each slot took. Data is read, and torch
    imported, only when something must be trained or measured. In round 1, raises ParameterError when no cell at all can
    be within the objective's limits or budget, before anything is trained. ``final_data`` is the folder of the final
    training's data, which a budget reads; None: ``data``.
    """
    proposed = Proposal.read(proposal)
    if proposed.task != task:
        raise UserError(f"{proposal}: is a proposal for {proposed.task}, not for {task}")
    if repeat is not None:
        parameters = parameters.model_copy(update={"seed": finalists.seed_of(parameters.seed, repeat)})
    recipe: TaskProxy = spec_of(task).proxy(parameters)
    objective = section_of(parameters, task).objective
    fitting = None
    if objective.budget is not None:
        from autoshrink.evaluation.budget import Fitting

        fitting = Fitting(parameters, task, final_data or data, store.folder.parent, store.made_by)
        if proposed.round == 1:
            fitting.check()
    fitted: dict[int, Fitted] = {}
    fingerprint = artifacts.digest_of_file(data / address.MANIFEST)
    for file in availability.side_inputs(parameters, "proxy", task):
        fingerprint = artifacts.digest_of([fingerprint, artifacts.digest_of_file(file)])
    networks = Networks(parameters, task, data)
    evaluations: dict[int, Evaluation] = {}
    timing: dict[str, SlotTiming] = {}
    reused = 0
    waiting: dict[int, tuple[Identity, Cell]] = {}
    by_final_recipe: list[ProposedSlot] = []
    for item in proposed.candidates:
        if item.slot not in slots:
            continue
        fidelity = item.fidelity
        own = recipe
        if fitting is not None:
            fitted[item.slot] = fitting.fit(item.canonical, item.network)
            own = fitting.proxy(fitted[item.slot])
        if fidelity is not None and fidelity.recipe is not None:
            by_final_recipe.append(item)
            continue
        identity = Identity(
            task,
            item.key,
            _shortened(own, fidelity.epochs if fidelity else None),
            fingerprint,
            parameters.seed,
            parameters.paper_defects,
            fidelity.zero_cost if fidelity else None,
            numerics.effective(parameters.compute.numerics),
            fidelity.edge_tuning if fidelity else None,
        )
        found = store.get(identity)
        if found is None:
            waiting[item.slot] = (identity, item.canonical)
            continue
        reused += 1
        evaluations[item.slot] = found
        timing[str(item.slot)] = _slot(store.timing(identity), reused=True)
        tell(Event(item.slot, len(found.history), recipe.training.epochs, True, True, found.metrics))

    measurements = None
    if objective.is_limited or objective.needs_measuring:
        from autoshrink.evaluation import limits
        from autoshrink.evaluation.measured import Measurements

        measurements = Measurements(parameters, task, networks, fingerprint, store.folder.parent, store.made_by)
        if proposed.round == 1:
            limits.check(parameters, task, measurements)

    if waiting:
        from autoshrink.evaluation import scheduler

        # isomorphic candidates of this job are one evaluation
        slots_of: dict[str, list[int]] = {}
        for slot, (identity, _) in waiting.items():
            slots_of.setdefault(identity.key, []).append(slot)
        wanted = {key: waiting[same[0]] for key, same in slots_of.items()}

        def epochs_of(identity: Identity) -> int:
            assert isinstance(identity.proxy, TaskProxy)
            return identity.proxy.training.epochs

        def tell_epoch(key: str, entry: EpochEntry) -> None:
            limit = epochs_of(wanted[key][0])
            tell(Event(slots_of[key][0], int(entry["epoch"] or 0) + 1, limit, False, False, entry))

        for key, found, took in scheduler.fill(store, wanted, networks.drawn, parameters.compute, tell_epoch):
            for slot in slots_of[key]:
                evaluations[slot] = found
                timing[str(slot)] = _slot(took, reused=False)
                limit = epochs_of(wanted[key][0])
                tell(Event(slot, len(found.history), limit, True, False, found.metrics))

    if by_final_recipe:
        from autoshrink.evaluation.final_recipe import FinalRecipe

        final = FinalRecipe(parameters, task, final_data or data, store, out)
        for item in by_final_recipe:

            def tell_final(entry: EpochEntry, limit: int, slot: int = item.slot) -> None:
                tell(Event(slot, int(entry["epoch"] or 0) + 1, limit, False, False, entry))

            epochs = item.fidelity.epochs if item.fidelity else None
            found, took, had = final.evaluate(item.canonical, fitted.get(item.slot), epochs, tell_final)
            reused += had
            evaluations[item.slot] = found
            timing[str(item.slot)] = _slot(took, reused=had)
            tell(Event(item.slot, len(found.history), epochs or len(found.history), True, had, found.metrics))

    if measurements is not None and objective.needs_measuring:
        for slot, evaluation in evaluations.items():
            costs = {**evaluation.costs, **measurements.of(proposed.candidates[slot].canonical)}
            evaluations[slot] = evaluation.model_copy(update={"costs": costs})

    for slot, found_fit in fitted.items():
        evaluations[slot] = evaluations[slot].model_copy(update={"fitted": found_fit})

    EvaluationJob.of(task, proposed.search, proposed.round, evaluations, repeat).write(out)
    return reused, len(evaluations), timing


def _slot(timing: TrialTiming, reused: bool) -> SlotTiming:
    return SlotTiming(device_seconds=timing.device_seconds, device=timing.device, reused=reused)


def _shortened(recipe: TaskProxy, epochs: int | None) -> TaskProxy:
    """Return the recipe with another number of epochs, where one is given."""
    if epochs is None:
        return recipe
    training = recipe.training.model_copy(update={"epochs": epochs})
    return recipe.model_copy(update={"training": training})
