"""The report of a run: tables, figures and the page, from finished artifacts only. Never trains or imports torch."""

from pathlib import Path

from autoshrink.files import artifacts
from autoshrink.params import Parameters


def outputs(parameters: Parameters) -> list[str]:
    """Return the names, relative to the report's folder, of all files that ``build`` writes under these parameters."""
    from autoshrink.report.figures import FIGURES, FORMATS

    figures = [f"{task}/{name}.{kind}" for task in parameters.tasks for name in FIGURES for kind in FORMATS]
    return ["index.html", "metrics.csv", "metrics.md", "search-cost.csv", *figures]


def build(results: Path, out: Path, parameters: Parameters, against: Path | None = None) -> list[Path]:
    """Make the report of the run in ``results`` and return the files it wrote.

    ``against`` is the results folder of a second finished run, which the page then sets beside this one.
    Raises ArtifactError when an artifact of a run is missing, damaged or contradicts another.
    """
    from autoshrink.report import figures, metrics, page, plans, runs, verdicts
    from autoshrink.search import rounds
    from autoshrink.workflow.layout import Layout

    layout = Layout.of(parameters).at(results)

    searches = [
        runs.read_search(layout.search(task, name), name, len(rounds.plan(parameters, task)))
        for task in parameters.tasks
        for name in rounds.searches(parameters, task)
    ]
    other = runs.read_all(against) if against else []
    counted = runs.read_known_networks(layout.known_networks) if parameters.report.known_networks else []
    table = metrics.rows(searches, counted)
    notes = metrics.notes(parameters, searches, runs.set_aside([results, Path(parameters.paths.store)]))
    names = (page.name_of(results), page.name_of(against)) if against else ("this run", "")
    texts = {
        "index.html": page.render(
            searches, table, notes, other, names, plans.read(results, parameters), verdicts.read(results, parameters)
        ),
        "metrics.csv": metrics.to_csv(table),
        "metrics.md": metrics.to_markdown(table, notes),
        "search-cost.csv": metrics.to_cost_csv(table),
    }
    for name, text in texts.items():
        artifacts.write_text(out / name, text)
    written = [out / name for name in texts]
    for task in parameters.tasks:
        written += figures.write([search for search in searches if search.task == task], out / task)
    return written
