"""Show an artifact's origin as a tree back to the raw data, or as JSON."""

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from autoshrink.files.artifacts import Json
from autoshrink.lineage import telling
from autoshrink.lineage.graph import Run
from autoshrink.lineage.records import Record
from autoshrink.records.timing import StepTiming


def tree(run: Run, record: Record) -> Tree:
    """Return the tree of everything that ``record``'s artifact depends on.

    A search is a chain of rounds, each made from the one before; they stand side by side, first to last, so that a long
    search does not wander off to the right. What stands in two places is spelt out in the first.
    """
    chain = [item for item in run.ancestors(record)[:-1] if item.verb in ("prepare", "start", "select")]
    told: set[Any] = {record.path}
    root = Tree(_label(record))
    for item in chain:
        _grow(root, item, run, told)
    for item in run.parents(record):
        if item.path not in told:
            _grow(root, item, run, told)
    _grow_leaves(root, record, run)
    return root


def as_json(run: Run, record: Record) -> Json:
    """Return every record that the artifact depends on, in the order they were made, with timings beside them."""
    return {
        "artifact": telling.name(record.artifact),
        "made": [
            {
                "artifact": telling.name(item.artifact),
                **item.facts.to_json(),
                "what": telling.what(item),
                "inputs": _named(item.inputs),
                "outputs": _named(item.outputs),
                "timing": StepTiming.beside(item.artifact).to_json(),
            }
            for item in run.ancestors(record)
        ],
    }


def _named(files: Mapping[Any, str]) -> dict[str, str]:
    return {telling.name(path): digest for path, digest in files.items()}


def _grow(branch: Tree, record: Record, run: Run, told: set[Any]) -> None:
    """Add a record and all that it was made from. No recursion: a forged chain may be as long as it likes."""
    waiting: list[tuple[Tree, Record, bool]] = [(branch, record, False)]
    while waiting:
        place, current, is_complete = waiting.pop()
        if is_complete:
            _grow_leaves(place, current, run)
        elif current.path in told:
            place.add(f"[dim]{escape(telling.name(current.artifact))} (above)[/dim]")
        else:
            told.add(current.path)
            node = place.add(_label(current))
            waiting.append((node, current, True))
            waiting += [(node, before, False) for before in reversed(run.parents(current))]


def _grow_leaves(node: Tree, record: Record, run: Run) -> None:
    """Add the inputs that no step of ours made."""
    for path, digest in sorted(record.inputs.items()):
        if path not in run.producers:
            node.add(f"{escape(telling.name(path))} [dim]sha256 {digest[:12]}, not made by a recorded step[/dim]")


def _label(record: Record) -> str:
    digest = record.outputs.get(record.artifact)
    facts = [f"sha256 {digest[:12]}" if digest else "", telling.code(record), telling.machine(record)]
    first = f"[bold]{escape(telling.name(record.artifact))}[/bold]  {record.verb}: {escape(telling.what(record))}"
    return f"{first.rstrip(': ')}\n[dim]{escape(' · '.join(fact for fact in facts if fact))}[/dim]"
