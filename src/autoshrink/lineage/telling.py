"""Describe an artifact in a phrase, from its content."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import STAGE
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json
from autoshrink.lineage import records
from autoshrink.lineage.records import Record
from autoshrink.params.base import Task
from autoshrink.records.proposal import said
from autoshrink.records.timing import StepTiming
from autoshrink.tasks.spec import spec_of

Content = Mapping[str, Any]


def content_of(path: Path) -> Json:
    """Return the content of a sealed artifact, empty where it is gone or unreadable: telling is not verifying."""
    try:
        with artifacts.opened(path) as file:
            value = json.loads(file.read(artifacts.LARGEST_JSON))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def what(record: Record) -> str:
    """Return what the artifact of ``record`` holds, in one phrase; empty where it cannot be read."""
    tell = _TOLD.get(record.verb)
    try:
        return tell(content_of(record.artifact)) if tell else ""
    except (KeyError, TypeError, IndexError, AttributeError, ValueError):
        return "cannot be read"


def code(record: Record) -> str:
    """Return the code's version, as one word of it."""
    code = record.facts.code
    commit = f" at {code.commit[:10]}" if code.commit is not None else ""
    changes = " with changes" if code.dirty else ""
    return f"autoshrink {code.version or 'of unknown version'}{commit}{changes}"


def machine(record: Record) -> str:
    """Return where, when and how long the step ran; empty where its timing is gone."""
    timing = StepTiming.beside(record.artifact).to_json()
    if "seconds" not in timing:
        return ""
    return f"{timing['seconds']:.1f} s on {timing.get('host', 'a machine')}, {timing.get('started', '')}"


def numbers(values: Content) -> str:
    """Return named numbers: counts in full, others with four digits."""
    told = []
    for key, value in values.items():
        if isinstance(value, int | float):
            number = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
            told.append(f"{key.replace('_', ' ')} {number}")
    return ", ".join(told)


def name(path: Path) -> str:
    """Return a path as the user would type it here."""
    return records.relative(path, Path.cwd())


def edge(value: Any) -> str:
    """Return an edge as ``0 -> 2``."""
    source, target = value
    return f"{source} -> {target}"


def flat(values: Content, prefix: str = "") -> Json:
    """Return nested values by their dotted keys, such as ``search.cnn.k``."""
    found: Json = {}
    for key, item in values.items():
        if isinstance(item, Mapping) and item:
            found |= flat(item, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = item
    return found


def _edges(cell: Content) -> int:
    """Return how many edges lie within stages, as everywhere else: those between stages follow from them."""
    inputs = {item["id"] for item in cell["nodes"] if item["operator"] == STAGE}
    return sum(target not in inputs for _, target in cell["edges"])


def _prepare(content: Content) -> str:
    fields = {key: value for key, value in content.items() if key not in ("kind", "version", artifacts.SEAL)}
    manifest = spec_of(Task(content["task"])).manifest.model_validate(fields)
    sizes = ", ".join(f"{split} {size}" for split, size in manifest.sizes.items())
    return f"{manifest.source_version}: {sizes}"


def _start(content: Content) -> str:
    cell = content["state"]["cell"]
    operators = ", ".join(item["operator"] for item in cell["nodes"][1:])
    return f"{len(cell['nodes'])} nodes, {_edges(cell)} edges; operators drawn: {operators}"


def _propose(content: Content) -> str:
    return f"{len(content['candidates'])} candidates drawn"


def _evaluate(content: Content) -> str:
    metric = spec_of(Task(content["task"])).metric.name
    values = [item["metrics"].get(metric) for item in content["evaluations"].values()]
    told = ", ".join("none" if value is None else f"{value:.4g}" for value in values)
    return f"{metric} {told}" if values else "nothing to evaluate"


def _select(content: Content) -> str:
    if content["selected"] is None:
        return f"nothing selected: {content['state']['stopped']}"
    chosen = content["candidates"][content["selected"]]
    fell = ", ".join(edge(item) for item in content["fell"])
    what_fell = f"; {fell} fell" if fell else ""
    return f"{chosen['origin']}{what_fell}; score {chosen['score']:.4f}, {numbers(chosen['metrics'])}"


def _finalists(content: Content) -> str:
    return f"{len(content['candidates'])} finalists"


def _best(content: Content) -> str:
    finals = content.get("finalists")
    chosen = f", the mean of {len(finals['seeds'])} seeds; {len(finals['candidates'])} finalists" if finals else ""
    changes = (content.get("fitted") or {}).get("changes")
    network = f", in a network of {said(changes)}" if changes else ""
    return (
        f"round {content['round']}'s, score {content['score']:.4f}, edges left: {_edges(content['cell'])}"
        f"{network}{chosen}"
    )


def _test(content: Content) -> str:
    return numbers(content["metrics"])


def _train_reference(content: Content) -> str:
    body = content["cell"]
    what = body["block"] if "block" in body else f"a cell of {_edges(body)} edges"
    return f"{what}, trained under seed {content['origin']['seed']}"


def _choose_rate(content: Content) -> str:
    return f"{content['name']}: {content['learning_rate']:g} times the recipe's learning rate"


def _test_reference(content: Content) -> str:
    metric = spec_of(Task(content["task"])).metric.test
    told = ", ".join(f"{result['quality']:.4g}" for result in content["results"])
    return f"{content['name']}: {metric.replace('_', ' ')} {told}"


def _verdict(content: Content) -> str:
    return "; ".join(f"{item['outcome']} {item['reference']}" for item in content["comparisons"])


_TOLD = {
    "prepare": _prepare,
    "start": _start,
    "propose": _propose,
    "evaluate": _evaluate,
    "finalists": _finalists,
    "repeat": _evaluate,
    "select": _select,
    "best": _best,
    "test": _test,
    "train-reference": _train_reference,
    "choose-rate": _choose_rate,
    "test-reference": _test_reference,
    "verdict": _verdict,
}
