"""What differs between two runs: data, code, parameters, environment, rounds, results."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoshrink.lineage import telling
from autoshrink.lineage.graph import Run
from autoshrink.lineage.records import Record
from autoshrink.records.timing import StepTiming

ABSENT = "(absent)"
Facts = dict[str, str]


@dataclass(frozen=True)
class Difference:
    """One thing that differs: its section, its name, and its value in either run."""

    section: str
    name: str
    first: str
    second: str


def differences(first: Run, second: Run) -> list[Difference]:
    """Return everything that differs, section by section; empty when the runs are the same in all of it."""
    found = []
    for section, facts_of in _SECTIONS.items():
        one, other = facts_of(first), facts_of(second)
        for name in dict.fromkeys([*one, *other]):
            left, right = one.get(name, ABSENT), other.get(name, ABSENT)
            if left != right:
                found.append(Difference(section, name, left, right))
    return found + _first(first, second)


def _first(first: Run, second: Run) -> list[Difference]:
    """Return the first artifact, in the order of making, whose bytes differ: where two runs part."""
    one, other = _made(first), _made(second)
    for name, digest in one.items():
        if name in other and digest != other[name]:
            return [Difference("first artifact that differs", name, digest[:12], other[name][:12])]
    return []


def _made(run: Run) -> dict[str, str]:
    """Return the digests of what the run's steps wrote, the report left out, each after all that it was made from."""
    found: dict[str, str] = {}
    for final in _all(run):
        for record in run.ancestors(final) if final.verb != "report" else ():
            inside = record.path.is_relative_to(run.results)
            for path, digest in sorted(record.outputs.items()):
                name = _place(path, run) if inside else f"data/{record.dataset or path.parent.name}/{path.name}"
                found.setdefault(name, digest)
    return found


def _data(run: Run) -> Facts:
    facts = {}
    for record in _of(run, "prepare"):
        name = record.dataset or record.artifact.parent.name
        facts[f"{name} source"] = telling.what(record)
        for path, digest in sorted(record.outputs.items()):
            facts[f"{name}/{path.name}"] = digest[:12]
    return facts


def _code(run: Run) -> Facts:
    return _gathered({key: value} for record in _all(run) for key, value in record.facts.code.to_json().items())


def _environment(run: Run) -> Facts:
    libraries = ({key: value} for record in _all(run) for key, value in record.facts.environment.items())
    compute = (
        {f"{record.verb} {key}": value}
        for record in _all(run)
        if record.facts.compute is not None
        for key, value in record.facts.compute.to_json().items()
    )
    # the machine differs between runs that are the same, so timings hold it and not records
    timings = (StepTiming.beside(record.artifact).to_json() for record in _all(run))
    machines = ({"cpu": timing["cpu"]} for timing in timings if isinstance(timing.get("cpu"), str))
    return _gathered([*libraries, *compute, *machines])


def _parameters(run: Run) -> Facts:
    return _gathered(telling.flat(record.facts.parameters or {}) for record in _all(run))


def _rounds(run: Run) -> Facts:
    records = [*_of(run, "start"), *_of(run, "select"), *_of(run, "best")]
    return {_place(record.artifact, run): telling.what(record) for record in records}


def _results(run: Run) -> Facts:
    facts = {}
    for record in _of(run, "test"):
        content = telling.content_of(record.artifact)
        for group in ("metrics", "costs"):
            for name, value in content.get(group, {}).items():
                if isinstance(value, int | float):
                    facts[f"{_place(record.artifact.parent, run)} {name}"] = f"{value:.6g}"
    return facts


_SECTIONS = {
    "data": _data,
    "code": _code,
    "parameters": _parameters,
    "environment": _environment,
    "rounds": _rounds,
    "results": _results,
}


def _all(run: Run) -> list[Record]:
    """Return the records of the results folder and of the data it used; the store is shared with other runs."""
    return [
        record
        for path, record in sorted(run.records.items())
        if path.is_relative_to(run.results) or record.verb == "prepare"
    ]


def _of(run: Run, verb: str) -> list[Record]:
    return [record for record in _all(run) if record.verb == verb]


def _place(path: Path, run: Run) -> str:
    return path.relative_to(run.results).as_posix()


def _gathered(facts: Iterable[Mapping[str, Any]]) -> Facts:
    """Join facts of many steps; where steps of one run differ, all values are listed."""
    values: dict[str, list[str]] = {}
    for item in facts:
        for key, value in item.items():
            told = str(value)
            if told not in values.setdefault(key, []):
                values[key].append(told)
    return {key: " and ".join(sorted(told)) for key, told in values.items()}
