"""Evaluating a proposal's slots: what the store has is taken from it, the rest is trained and kept at once."""

import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoshrink import artifacts
from autoshrink.cell import Cell
from autoshrink.errors import UserError
from autoshrink.evaluation import chunks
from autoshrink.evaluation.store import Identity, Store
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.params.language import LanguageProxy
from autoshrink.params.vision import ImageProxy
from autoshrink.search.rounds import PROPOSAL
from autoshrink.search.rounds import VERSION as PROPOSAL_VERSION


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

    Returns how many were re-used, how many there were, and the timing: device-seconds per slot. Data is read only when
    something must be trained, and torch imported only then. Raises UserError when the proposal has no such slots in
    its round.
    """
    content = artifacts.read_sealed(proposal, PROPOSAL, PROPOSAL_VERSION)
    if content["task"] != task:
        raise UserError(f"{proposal}: is a proposal for {content['task']}, not for {task}")
    recipe = parameters.proxy.cnn if task is Task.CNN else parameters.proxy.rnn
    fingerprint = artifacts.digest_of_file(data / "manifest.json")
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
        )
        found = store.get(identity)
        if found is None:
            waiting[item["slot"]] = (identity, Cell.from_json(item["canonical"]))
            continue
        reused += 1
        evaluations[item["slot"]] = found
        timing[str(item["slot"])] = {**store.timing(identity), "reused": True}
        tell(Event(item["slot"], len(found["history"]), recipe.training.epochs, True, True, found["metrics"]))

    if waiting:
        from autoshrink import devices

        device = devices.pick(parameters.compute)
        proxy = importlib.import_module("autoshrink.vision.proxy" if task is Task.CNN else "autoshrink.language.proxy")
        prepared = importlib.import_module("autoshrink.vision.data" if task is Task.CNN else "autoshrink.language.data")
        images_or_text = prepared.load(data)
        defects = [parameters.paper_defects] if task is Task.CNN else []
        drawn = proxy.draw(images_or_text, recipe, parameters.seed, *defects)
        for slot, (identity, cell) in waiting.items():
            again = store.get(
                identity
            )  # an isomorphic candidate of this job, or another process, may have been quicker
            seconds = store.timing(identity).get("device_seconds") if again else None
            if again is None:
                started = time.perf_counter()
                if identity.zero_cost is not None:
                    from autoshrink.evaluation import zero_cost

                    seed, method = identity.candidate_seed, identity.zero_cost
                    result = zero_cost.evaluate(cell, identity.proxy, drawn, seed, device, method)
                else:
                    candidate = proxy.Candidate(
                        cell, identity.proxy, drawn, identity.candidate_seed, device, parameters.compute.deterministic
                    )
                    limit = identity.proxy.training.epochs
                    while not candidate.done:
                        entry = candidate.run_epoch()
                        tell(Event(slot, entry["epoch"] + 1, limit, False, False, entry))
                    result = candidate.result()
                seconds = round(time.perf_counter() - started, 3)
                again = store.put(identity, result)
                store.put_timing(identity, {"device_seconds": seconds, "device": str(device)})
                tell(Event(slot, len(again["history"]), recipe.training.epochs, True, False, again["metrics"]))
            evaluations[slot] = again
            timing[str(slot)] = {"device_seconds": seconds, "device": str(device), "reused": False}

    chunks.write(out, content, evaluations)
    return reused, len(evaluations), {"slots": timing}


def _shortened(recipe: ImageProxy | LanguageProxy, epochs: int | None) -> ImageProxy | LanguageProxy:
    """Return the recipe with another number of epochs, where one is given."""
    if epochs is None:
        return recipe
    training = recipe.training.model_copy(update={"epochs": epochs})
    return recipe.model_copy(update={"training": training})
