"""The search verbs that need no torch: start, propose, select, finalists, best."""

from pathlib import Path
from typing import Any

import click

from autoshrink.cli import options
from autoshrink.cli.step import step


@click.command(short_help="Write round 0: the complete cell, its operators drawn.")
@options.parameters
@options.task
@options.search
@options.out("the round")
def start(files: tuple[Path, ...], settings: tuple[str, ...], task: str, search: str, out: Path) -> None:
    """Write round 0 of a search: the complete cell, every node's operator drawn by name from the root seed.

    \b
    Example:
      autoshrink start --task cnn --search shrink-0 --out round-00/round.json
    """
    from autoshrink.search import rounds

    parameters, name = options.load(files, settings), rounds.SearchName.parse(task, search)
    with step("start", out, parameters=parameters, task=name.task, subject=name.to_json(), draws=name.prefixes):
        rounds.start(parameters, name, out)


@click.command(short_help="Draw a round's candidates from the shrink space.")
@options.parameters
@options.task
@options.search
@click.option("--previous", type=options.FILE, required=True, help="The round before.")
@options.out("the proposal")
def propose(
    files: tuple[Path, ...], settings: tuple[str, ...], task: str, search: str, previous: Path, out: Path
) -> None:
    """Draw a round's candidates: k of the cells that lack one edge of the current one.

    \b
    Example:
      autoshrink propose --task cnn --search shrink-0 --previous round-00/round.json --out round-01/proposal.json
    """
    from autoshrink.search import rounds

    parameters, name = options.load(files, settings), rounds.SearchName.parse(task, search)
    about: Any = {"parameters": parameters, "task": name.task, "subject": name.to_json(), "draws": name.prefixes}
    with step("propose", out, inputs=[previous], **about):
        count = rounds.propose(parameters, name, previous, out)
    click.echo(f"{name.task}/{name}: {count} candidates proposed")


@click.command(short_help="Score a round's candidates and keep the best one's cell.")
@options.parameters
@options.task
@options.search
@click.option("--previous", type=options.FILE, required=True, help="The round before.")
@click.option("--proposal", type=options.FILE, required=True, help="This round's proposal.")
@options.out("the round")
@click.argument("evaluations", type=options.FILE, nargs=-1)
def select(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    search: str,
    previous: Path,
    proposal: Path,
    out: Path,
    evaluations: tuple[Path, ...],
) -> None:
    """Score a round's candidates and keep the best one's cell; EVALUATIONS are the files of the round's evaluation
    jobs.

    A candidate without a finite score never wins. Ties: fewer leaves, then fewer edges, then the cell's key.

    \b
    Example:
      autoshrink select --task cnn --search shrink-0 --previous round-00/round.json \\
        --proposal round-01/proposal.json --out round-01/round.json round-01/evaluations-*.json
    """
    from autoshrink.lineage import agreement
    from autoshrink.records.evaluation import read_round
    from autoshrink.records.round import Round
    from autoshrink.search import rounds

    parameters, name = options.load(files, settings), rounds.SearchName.parse(task, search)
    about: Any = {"parameters": parameters, "task": name.task, "subject": name.to_json(), "draws": name.prefixes}
    agreement.check_files(evaluations)
    with step("select", out, inputs=[previous, proposal, *evaluations], **about):
        rounds.select(parameters, name, previous, proposal, read_round(evaluations), out)
    finished = Round.read(out)
    chosen = finished.answer
    if chosen is None:
        why = finished.state.stopped
        if why is None:
            why = "the search goes on" if finished.taken is None else "the search passes through a cell over a limit"
        click.echo(f"{name.task}/{name} round {finished.round}: nothing selected, {why}")
        return
    facts = ", ".join(f"{key} {value:.4g}" for key, value in chosen.metrics.items() if isinstance(value, float))
    click.echo(f"{name.task}/{name} round {finished.round}: {chosen.origin}, score {chosen.score:.4f}, {facts}")


@click.command(short_help="Choose the finalists: the best cells of all rounds.")
@options.parameters
@options.task
@options.search
@options.out("the finalists")
@click.argument("rounds", type=options.FILE, nargs=-1, required=True)
def finalists(
    files: tuple[Path, ...], settings: tuple[str, ...], task: str, search: str, out: Path, rounds: tuple[Path, ...]
) -> None:
    """Choose the finalists: of all cells that ROUNDS trained in full, the best distinct ones.

    \b
    Example:
      autoshrink finalists --task cnn --search shrink-0 --out finalists/proposal.json round-*/round.json
    """
    from autoshrink.search import rounds as search_rounds

    parameters, name = options.load(files, settings), search_rounds.SearchName.parse(task, search)
    about: Any = {"parameters": parameters, "task": name.task, "subject": name.to_json()}
    with step("finalists", out, inputs=rounds, **about):
        count = search_rounds.finalists(parameters, name, rounds, out)
    click.echo(f"{name.task}/{name}: {count} finalists")


@click.command(short_help="Write the search's answer: the best cell of all rounds.")
@options.parameters
@options.task
@options.search
@click.option(
    "--repeated",
    type=options.FILE,
    multiple=True,
    help="Evaluations of finalists, which decide where the parameters ask for them. Can be given again.",
)
@options.out("the best cell")
@click.argument("rounds", type=options.FILE, nargs=-1, required=True)
def best(
    files: tuple[Path, ...],
    settings: tuple[str, ...],
    task: str,
    search: str,
    repeated: tuple[Path, ...],
    out: Path,
    rounds: tuple[Path, ...],
) -> None:
    """Write the search's answer: of the cells that ROUNDS tried, the finalist with the best mean score; where the
    parameters ask for no finalists, the cell with the best score.

    front.json beside it gets the candidates that no other dominates in quality and costs.

    \b
    Examples:
      autoshrink best --task cnn --search shrink-0 --set search.cnn.finalists=null --out best.json round-*/round.json
      autoshrink best --task cnn --search shrink-0 --out best.json --repeated finalists/evaluations-0.json \\
        --repeated finalists/evaluations-1.json round-*/round.json
    """
    from autoshrink.lineage import agreement
    from autoshrink.records.best import Best
    from autoshrink.search import rounds as search_rounds
    from autoshrink.workflow.layout import RoundFolder

    parameters, front = options.load(files, settings), out.with_name("front.json")
    name = search_rounds.SearchName.parse(task, search)
    for path in rounds:
        agreement.check_files(RoundFolder(path.parent).written_evaluations())
    agreement.check_files(repeated)
    about: Any = {"parameters": parameters, "task": name.task, "subject": name.to_json()}
    with step("best", out, inputs=[*rounds, *repeated], **about) as doing:
        search_rounds.best(name, rounds, out, parameters, repeated)
        search_rounds.write_front(name, rounds, front)
        doing.outputs += [out, front]
    click.echo(f"{name.task}/{name}: {Best.read(out).words()}")
