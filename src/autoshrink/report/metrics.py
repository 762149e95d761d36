"""The metrics table: results of this run beside published ones, each row with its origin and source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from autoshrink.files import markdown
from autoshrink.params import Parameters
from autoshrink.params.base import Task
from autoshrink.records.known_networks import KnownNetwork
from autoshrink.report.published import published
from autoshrink.report.runs import Search
from autoshrink.tasks.spec import ReportedMetric, spec_of

MEASURED, COUNTED, PUBLISHED = "measured here", "counted here", "published"


@dataclass(frozen=True)
class Row:
    """One row of metrics.csv and search-cost.csv. MACs are of one image or one token; None where there is no number."""

    task: Task
    name: str
    origin: str
    source: str
    seed: str
    dataset: str
    quality: Mapping[str, float | None]
    """By the columns of the task's ``reported`` metrics; what it lacks was not measured."""
    parameters: float | None
    macs: float | None
    search_device_hours: float | None
    note: str


HOURS = "search_device_hours"
COLUMNS = tuple(item.name for item in fields(Row) if item.name != HOURS)


def rows(searches: Sequence[Search], counted: Sequence[KnownNetwork] = ()) -> list[Row]:
    """Return the rows: per task its searches' final models and complete cells, then counted, then published ones.

    ``counted`` are the rows of a ``known-networks.json``: known networks whose parameters and MACs our counter counted.
    """
    found = []
    for task in Task:
        of_task = [search for search in searches if search.task == task]
        for search in of_task:
            found += _measured(search)
        if of_task:
            found += [_known(row, COUNTED) for row in counted if row.task == task]
            found += [_known(row, PUBLISHED) for row in published(task)]
    return found


def to_csv(table: Sequence[Row]) -> str:
    """Return the rows as CSV with a header, the metrics of all tasks in it; an empty field is "no number".

    Two runs of the same parameters give the same bytes, so what a search took stands in ``to_cost_csv``.
    """
    import pandas as pd

    qualities = [item.column for task in Task for item in spec_of(task).reported]
    place = COLUMNS.index("quality")
    lines = [
        {**{name: getattr(row, name) for name in COLUMNS}, **{name: row.quality.get(name) for name in qualities}}
        for row in table
    ]
    # objects, for a column of whole numbers must not turn into floats because one of them is missing
    frame = pd.DataFrame(lines, columns=[*COLUMNS[:place], *qualities, *COLUMNS[place + 1 :]], dtype=object)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def to_cost_csv(table: Sequence[Row]) -> str:
    """Return what the searches took, those measured here and published ones, as CSV: it differs from run to run."""
    import pandas as pd

    columns = ["task", "name", "origin", "source", "seed", HOURS]
    known = [row for row in table if row.search_device_hours is not None]
    frame = pd.DataFrame([[getattr(row, name) for name in columns] for row in known], columns=columns, dtype=object)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def to_markdown(table: Sequence[Row], notes: Sequence[str]) -> str:
    """Return the rows as Markdown, measured and published ones in tables of their own, with ``notes`` at the end."""
    parts = ["# Metrics\n"]
    for task in Task:
        for origin in (MEASURED, COUNTED, PUBLISHED):
            chosen = [row for row in table if row.task == task and row.origin == origin]
            if not chosen:
                continue
            heading, cells = grid(task, origin, chosen)
            parts.append(f"## {spec_of(task).title}, {origin}\n")
            parts.append(markdown.table(heading, cells) + "\n")
    parts += ["## Notes\n", "\n".join(f"- {note}" for note in notes) + "\n"]
    return "\n".join(parts)


def grid(task: Task, origin: str, table: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return a table for reading: its heading and its cells as text, one list per row."""
    spec = spec_of(task)
    heading = [
        "model",
        "data",
        *(item.heading for item in spec.reported),
        "parameters",
        spec.macs,
        "search, device-hours",
        "seed" if origin == MEASURED else "source",
        "note",
    ]
    cells = [
        [
            row.name,
            row.dataset,
            *(quality(item, row.quality.get(item.column)) for item in spec.reported),
            quantity(row.parameters),
            quantity(row.macs),
            hours(row.search_device_hours),
            row.seed if origin == MEASURED else row.source,
            row.note,
        ]
        for row in table
    ]
    empty = {index for index in range(2, len(heading)) if not any(line[index] for line in cells)}
    keep = [index for index in range(len(heading)) if index not in empty]
    return [heading[index] for index in keep], [[line[index] for index in keep] for line in cells]


def notes(parameters: Parameters, searches: Sequence[Search], set_aside: Sequence[str]) -> list[str]:
    """Return what a reader of the table must know: defects that were on, files set aside, what the costs mean."""
    defects = [name for name, is_on in parameters.paper_defects.model_dump().items() if is_on]
    aside = [markdown.code(name) for name in set_aside]
    found = [
        f"Root seed {parameters.seed}; every random draw derives from it by name.",
        "Defects of the released code switched on: " + (", ".join(f"`{name}`" for name in defects) or "none") + ".",
        "Damaged or foreign files set aside and made again: " + (", ".join(aside) or "none") + ".",
        "Rows measured here and published rows differ in data and budget; they stand side by side for orientation, not "
        "as a like-for-like comparison.",
        "Parameters and MACs count convolutions, matrices and classifier without batch norm; MACs are of one image or "
        "one token.",
        "Search cost is the device time of every evaluation the search needed, each counted once, made in this run or "
        "taken from the store.",
    ]
    for search in searches:
        diverged = sum(candidate.score is None for candidate in search.trained)
        evaluations = len({candidate.evaluation.key for candidate in search.candidates})
        reused = len({candidate.evaluation.key for candidate in search.candidates if candidate.reused})
        found.append(
            f"{search.task}/{search.name}: {len(search.rounds) - 1} rounds, {len(search.candidates)} candidates, "
            f"{evaluations} distinct evaluations ({reused} taken from the store), {diverged} without a finite score."
        )
    return found


def quality(metric: ReportedMetric, value: float | None) -> str:
    """Return a share as ``73.9 %``, a perplexity as ``67.0``."""
    if value is None:
        return ""
    return f"{value:.1f}" if metric.is_perplexity else f"{100 * value:.1f} %"


def quantity(value: float | None) -> str:
    """Return 3601000 as ``3.6 M``: at most three significant digits with K, M or G."""
    if value is None:
        return ""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "K")):
        if value >= size:
            return f"{float(f'{value / size:.3g}'):g} {unit}"
    return f"{value:g}"


def hours(value: float | None) -> str:
    """Return device-hours with as many decimals as short searches need."""
    return "" if value is None else f"{value:.1f}" if value >= 1 else f"{value:.4f}"


def _measured(search: Search) -> list[Row]:
    content = search.metrics
    if content is None:
        return []
    metrics, costs, complete = content.metrics, content.costs, content.complete_costs
    share = costs["macs"] / complete["macs"] if complete["macs"] else 1.0
    note = f"{100 * share:.0f} % of the complete cell's MACs"
    if content.budget is not None:
        note = "; ".join(
            f"{100 * margin:.1f} % below its budget, {quantity(content.budget.limits[key])} {key}"
            for key, margin in content.budget.margins.items()
        )
    found = Row(
        task=search.task,
        name=f"found cell ({search.name}, {len(search.best.cell.wires)} edges)",
        origin=MEASURED,
        source="this run",
        seed=content.seed_name,
        dataset=content.dataset,
        quality={item.column: metrics.get(item.key) for item in spec_of(search.task).reported},
        parameters=costs["parameters"],
        macs=costs["macs"],
        search_device_hours=search.device_hours,
        note=note,
    )
    whole = replace(
        found,
        name=f"complete cell ({search.name}, {len(search.start.wires)} edges)",
        quality={},
        parameters=complete["parameters"],
        macs=complete["macs"],
        search_device_hours=None,
        note="where the search started; only its cost was measured",
    )
    return [found, whole]


def _known(network: KnownNetwork, origin: str) -> Row:
    return Row(
        task=network.task,
        name=network.name,
        origin=origin,
        source=network.source,
        seed="",
        dataset=network.dataset,
        quality=network.quality,
        parameters=network.parameters,
        macs=network.macs,
        search_device_hours=network.search_device_hours,
        note=network.note,
    )
