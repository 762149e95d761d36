"""Explain a metric's value: from the raw data through every round to the number."""

from collections.abc import Iterator
from dataclasses import dataclass

from autoshrink.errors import ArtifactError, UserError
from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json
from autoshrink.lineage import agreement, telling
from autoshrink.lineage.graph import Run
from autoshrink.lineage.records import Record


@dataclass(frozen=True)
class Reason:
    """One sentence of the story, and the artifact that it is read from."""

    text: str
    artifact: str


@dataclass(frozen=True)
class Story:
    """A metric by its full name (``cnn/shrink-0/accuracy_top1``), its value, and why."""

    metric: str
    value: float
    reasons: tuple[Reason, ...]


def stories(run: Run, metric: str) -> list[Story]:
    """Return the story of each metric of this name: ``accuracy_top1``, or with its search before it to name just one.

    Raises UserError when the run has no such metric.
    """
    found, known = [], []
    for record in sorted(run.records.values(), key=lambda item: item.path):
        if record.verb != "test":
            continue
        content = _as_recorded(record)
        agreement.check(run.ancestors(record))
        for name, value in {**content["metrics"], **content["costs"]}.items():
            full = f"{content['task']}/{content['search']}/{name}"
            known.append(full)
            if metric in (full, name):
                found.append(Story(full, value, tuple(_reasons(run, record, content))))
    if not found:
        accepted = ", ".join(known) or "none: this run has no metrics yet"
        raise UserError(f"metric {metric!r}: this run has no such metric; accepted: {accepted}")
    return found


def _as_recorded(record: Record) -> Json:
    """Return the content of a step's artifact. Raises ArtifactError where it is not the one that the record is of."""
    try:
        digest = artifacts.digest_of_file(record.artifact)
    except OSError as error:
        raise ArtifactError(f"{record.artifact}: cannot be read ({error.strerror})") from None
    content = telling.content_of(record.artifact)
    if digest != record.outputs.get(record.artifact) or not _is_metrics(content):
        raise ArtifactError(f"{record.artifact}: is not what '{record.verb}' wrote; see 'autoshrink lineage verify'")
    return content


def _is_metrics(content: Json) -> bool:
    texts = ("task", "search", "dataset", "seed_name")
    groups = (content.get("metrics"), content.get("costs"))
    return (
        all(isinstance(content.get(name), str) for name in texts)
        and {"round", "key", "seed"} <= content.keys()
        and all(isinstance(group, dict) for group in groups)
        and all(isinstance(value, int | float) for group in groups for value in (group or {}).values())
    )


def _told(record: Record) -> str:
    """Return what the artifact of ``record`` holds, or that nobody can tell any more."""
    try:
        intact = artifacts.digest_of_file(record.artifact) == record.outputs.get(record.artifact)
    except OSError:
        intact = False
    return telling.what(record) if intact else "not known any more, for it is gone or was altered"


def _reasons(run: Run, record: Record, content: Json) -> Iterator[Reason]:
    made, overwritten = run.origins(record)
    by_verb: dict[str, list[Record]] = {}
    for item in made:
        by_verb.setdefault(item.verb, []).append(item)
    metrics = telling.name(record.artifact)
    yield Reason(f"measured on the test split of {content['dataset']}, which nothing else reads", metrics)
    for path in overwritten:
        what = "has been regenerated since; its earlier content is unknown"
        yield Reason(f"{telling.name(path)} {what}", telling.name(path))
    for item in by_verb.get("prepare", []):
        drawn = None if item.facts.seeds is None else item.facts.seeds.root
        yield Reason(f"the data: {_told(item)}; splits drawn under seed {drawn}", telling.name(item.artifact))
    for item in by_verb.get("train", []):
        yield _training(item)
    costs = telling.numbers(content["costs"])
    yield Reason(
        f"the network is of round {content['round']}'s cell {content['key'] or 'without edges'}: {costs}", metrics
    )
    for item in by_verb.get("best", []):
        yield Reason(f"that cell scored best on the proxy: {_told(item)}", telling.name(item.artifact))
    for item in by_verb.get("start", []):
        yield Reason(f"the search began with {_told(item)}", telling.name(item.artifact))
    for item in by_verb.get("select", []):
        tried = telling.content_of(item.artifact)
        count = len(tried.get("candidates", []))
        if not count:
            continue  # it carries the state of a search that had ended
        yield Reason(f"round {tried.get('round')}: of {count} candidates {_told(item)}", telling.name(item.artifact))
    yield Reason(f"all random draws derive by name from seed {content['seed']}: {content['seed_name']}", metrics)
    versions = sorted({telling.code(item) for item in made})
    environment = record.facts.environment
    libraries = ", ".join(f"{key} {environment[key]}" for key in ("python", "torch") if key in environment)
    yield Reason(f"code: {'; '.join(versions)}; {libraries}", telling.name(record.path))


def _training(record: Record) -> Reason:
    sections = (record.facts.parameters or {}).get("training")
    recipe = next(iter(sections.values()), None) if isinstance(sections, dict) else None
    device = None if record.facts.compute is None else record.facts.compute.device
    told = [
        f"{recipe['epochs']} epochs of {recipe['dataset']}" if isinstance(recipe, dict) and "epochs" in recipe else "",
        f"on {device}" if device else "",
        telling.machine(record),
    ]
    return Reason(f"the model was trained: {', '.join(fact for fact in told if fact)}", telling.name(record.artifact))
