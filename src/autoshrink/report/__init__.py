"""A run to look at: tables, figures and the page, made of finished artifacts alone. Never trains or imports torch."""

from pathlib import Path

from autoshrink import artifacts
from autoshrink.params import Parameters


def outputs(parameters: Parameters) -> list[str]:
    """Return the names, relative to the report's folder, of all files that ``build`` writes under these parameters."""
    from autoshrink.report.figures import FIGURES, FORMATS

    figures = [f"{task}/{name}.{kind}" for task in parameters.tasks for name in FIGURES for kind in FORMATS]
    return ["metrics.csv", "metrics.md", *figures]


def build(results: Path, out: Path, parameters: Parameters) -> list[Path]:
    """Make the report of the run in ``results`` and return the files it wrote.

    Raises ArtifactError when an artifact of the run is missing, damaged or contradicts another.
    """
    from autoshrink.report import figures, metrics, runs
    from autoshrink.search import rounds

    searches = [
        runs.read_search(results / task / str(name), name, len(rounds.plan(parameters, task)))
        for task in parameters.tasks
        for name in rounds.searches(parameters, task)
    ]
    table = metrics.rows(searches)
    notes = metrics.notes(parameters, searches, runs.set_aside([results, Path(parameters.paths.store)]))
    artifacts.write_text(out / "metrics.csv", metrics.to_csv(table))
    artifacts.write_text(out / "metrics.md", metrics.to_markdown(table, notes))
    written = [out / "metrics.csv", out / "metrics.md"]
    for task in parameters.tasks:
        written += figures.write([search for search in searches if search.task == task], out / task)
    return written
