"""The verbs of ``lineage``: trace, compare, verify, repair, sign and pack a run."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from autoshrink.cli import options
from autoshrink.errors import UserError

if TYPE_CHECKING:
    from autoshrink.lineage.graph import Run

RUN = click.argument("run", type=options.FOLDER, default=Path("results"))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(short_help="Audit a run: show, why, diff, verify, repair, export.")
def lineage() -> None:
    """Audit a run: which data, code, parameters and seeds made each artifact, and whether any was altered since.

    Every artifact has a record beside it (best.json: best.lineage.json); these verbs read nothing else.

    \b
    Examples:
      autoshrink lineage verify results                    is all of it as it was made?
      autoshrink lineage why accuracy_top1 results         where does this number come from?
      autoshrink lineage diff results results-other        what is different about that run?
    """


@lineage.command(short_help="Show what an artifact was made from.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--results", type=options.FOLDER, help="The run it belongs to, where its place does not tell.")
@AS_JSON
def show(artifact: Path, results: Path | None, as_json: bool) -> None:
    """Show what ARTIFACT was made from: every step back to the raw data.

    \b
    Example:
      autoshrink lineage show results/cnn/shrink-0/best.json
    """
    from rich.console import Console

    from autoshrink.lineage import agreement, graph
    from autoshrink.lineage import show as lineage_show

    run = graph.read(results or graph.run_of(artifact))
    record = run.of(artifact)
    for line in agreement.disagreements(run.ancestors(record)):
        click.echo(f"note: {line}", err=True)
    if as_json:
        _print_json(lineage_show.as_json(run, record))
    else:
        # a terminal wraps long lines; what a pipe or a file gets has them whole
        width = None if sys.stdout.isatty() else 10_000
        Console(highlight=False, width=width).print(lineage_show.tree(run, record))


@lineage.command(short_help="Tell where a metric's value comes from.")
@click.argument("metric")
@RUN
@AS_JSON
def why(metric: str, run: Path, as_json: bool) -> None:
    """Tell why METRIC has its value: data, training, every round, seeds, code.

    METRIC is a name such as accuracy_top1 or a cost such as macs, or cnn/shrink-0/accuracy_top1 to mean just one; RUN
    the results folder. What has been overwritten since the metric was measured is reported as unknown.

    \b
    Example:
      autoshrink lineage why accuracy_top1 results
    """
    from autoshrink.lineage import why as lineage_why

    stories = lineage_why.stories(_read(run), metric)
    if as_json:
        _print_json([dataclasses.asdict(story) for story in stories])
        return
    for story in stories:
        click.echo(f"{story.metric} = {story.value:.6g}")
        for reason in story.reasons:
            click.echo(f"  - {reason.text}  [{reason.artifact}]")


@lineage.command(short_help="Tell what differs between two runs.")
@click.argument("first", type=options.FOLDER)
@click.argument("second", type=options.FOLDER)
@AS_JSON
def diff(first: Path, second: Path, as_json: bool) -> None:
    """Tell what differs between two runs: data, code, parameters, environment, rounds, results.

    FIRST and SECOND are results folders.

    \b
    Example:
      autoshrink lineage diff results results-k5
    """
    from autoshrink.lineage import agreement
    from autoshrink.lineage.differences import differences

    runs = [_read(first), _read(second)]
    for line in (line for run in runs for line in agreement.disagreements(run.records.values())):
        click.echo(f"note: {line}", err=True)
    found = differences(*runs)
    if as_json:
        _print_json([dataclasses.asdict(item) for item in found])
        return
    if not found:
        click.echo(f"{first} and {second} are the same in data, code, parameters, environment, rounds and results")
    section = ""
    for item in found:
        if item.section != section:
            section = item.section
            click.echo(f"{section}:")
        click.echo(f"  {item.name}: {item.first}  |  {item.second}")


@lineage.command(short_help="Find what is not as it was made.")
@RUN
@click.option(
    "--params",
    "files",
    multiple=True,
    type=options.FILE,
    help="Also name what was made under other parameters than these; given again, an overlay.",
)
@click.option("--signed", is_flag=True, help="Also check the run's signature.")
@click.option("--signers", type=options.FILE, help="Whose signature counts (default: git's allowedSignersFile).")
@AS_JSON
def verify(run: Path, files: tuple[Path, ...], signed: bool, signers: Path | None, as_json: bool) -> None:
    """Recompute every digest of a run, its data and its store; name what is not as it was made.

    RUN is the results folder. Exits with status 1 when anything is wrong.

    \b
    Example:
      autoshrink lineage verify results
    """
    from autoshrink.lineage import code, signing
    from autoshrink.lineage import verify as lineage_verify
    from autoshrink.lineage.records import relative

    found = _read(run)
    verdict = lineage_verify.verify(found, options.load(files, ()) if files else None)
    signer = signing.check(found, verdict, signers) if signed or signers else None
    others = code.made_by_other(found)
    if as_json:
        _print_json(
            {
                "findings": [
                    {"kind": item.kind, "path": relative(item.path, Path.cwd()), "what": item.what}
                    for item in verdict.findings
                ],
                "artifacts": verdict.artifacts,
                "set_aside": [relative(path, Path.cwd()) for path in verdict.set_aside],
                "leftovers": [relative(path, Path.cwd()) for path in verdict.leftovers],
                "other_code": [relative(record.path, Path.cwd()) for record in others],
                "digest": verdict.digest,
                "signed_by": signer,
            }
        )
    else:
        for item in verdict.findings:
            click.echo(f"{item.kind}: {relative(item.path, Path.cwd())}: {item.what}")
        for path in verdict.set_aside:
            click.echo(f"note: {relative(path, Path.cwd())} was set aside earlier")
        for path in verdict.leftovers:
            click.echo(f"note: {relative(path, Path.cwd())} was left by a process that was killed")
        if others:
            click.echo(f"note: {len(others)} finished steps were made by other code: {code.in_words(others)}")
        wrong = len(verdict.findings)
        state = "as they were made" if not wrong else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong"
        click.echo(f"{run}: {verdict.artifacts} artifacts, {state}; run digest {verdict.digest}")
        if signer is not None:
            click.echo(f"{run}: signed by {signer}")
    if verdict.findings:
        sys.exit(1)


@lineage.command(short_help="Sign a run by an SSH key.")
@RUN
@click.option("--key", type=options.FILE, required=True, help="The SSH key, as 'git config user.signingKey' names it.")
def sign(run: Path, key: Path) -> None:
    """Sign RUN's digest by an SSH key, as git signs commits; 'verify --signed' checks it.

    Anyone who alters a result can also reseal it and what was made from it; without the key they cannot sign it. The
    signature is RUN/run.sig. RUN must verify.

    \b
    Example:
      autoshrink lineage sign results --key ~/.ssh/id_ed25519
    """
    from autoshrink.lineage import signing
    from autoshrink.lineage import verify as verification

    found = _read(run)
    click.echo(f"{signing.sign(found, verification.verify(found), key)}: signed")


@lineage.command(short_help="Set aside what is wrong, so that the next run regenerates it.")
@RUN
@click.option(
    "--params",
    "files",
    multiple=True,
    type=options.FILE,
    help="Also mend the data and the store that these name, where they lie outside this folder.",
)
def repair(run: Path, files: tuple[Path, ...]) -> None:
    """Set aside what 'verify' finds wrong, under telling names, so that the next run regenerates it.

    Only files that the run's own records know are moved, and only in RUN and in data and store inside the current
    folder (or named by --params); everything else is left alone. Run it while nothing else works on RUN. Exits
    with status 1 where something wrong had to be left.

    \b
    Example:
      autoshrink lineage repair results
    """
    from autoshrink.lineage import repair as lineage_repair
    from autoshrink.lineage import verify as verification

    if not run.is_dir():
        click.echo(f"{run}: there is no such folder, so there is nothing to repair", err=True)
        return
    found = _read(run)
    own = [folder for folder in found.folders if folder.resolve().is_relative_to(Path.cwd().resolve())]
    if files:
        paths = options.load(files, ()).paths
        own += [Path(paths.data), Path(paths.store)]
    repaired = lineage_repair.repair(found, verification.verify(found), own)
    for line in repaired.moved:
        click.echo(line, err=True)
    for line in repaired.healed:
        click.echo(f"lost: {line}", err=True)
    for line in repaired.left:
        click.echo(f"left alone: {line}", err=True)
    if repaired.left:
        sys.exit(1)


@lineage.command(short_help="Remove what a run has written.")
@RUN
@click.option("--data", is_flag=True, help="Also remove the data it prepared inside the current folder.")
def clean(run: Path, data: bool) -> None:
    """Remove what RUN's records say its steps wrote: its results and, with --data, prepared data.

    Files that were altered since, or that no record knows, stay and are named; so do downloads and the store. Data that
    another run inside the current folder reads stays too and is named. Runs elsewhere
    that read it are unknown here, so --data is your decision.

    \b
    Example:
      autoshrink lineage clean results
    """
    from autoshrink.lineage import clean as lineage_clean

    found, here = _read(run), Path.cwd().resolve()
    own = [folder for folder in found.folders[1:] if folder.resolve().is_relative_to(here)] if data else []
    cleaned = lineage_clean.clean(found, own)
    for folder, user in cleaned.shared:
        click.echo(f"left alone: {folder}: the run in {user} reads it too", err=True)
    for path in cleaned.left[:20]:
        click.echo(f"left alone: {path}", err=True)
    if len(cleaned.left) > 20:
        click.echo(f"left alone: {len(cleaned.left) - 20} more", err=True)
    click.echo(f"{run}: {cleaned.count} files removed")


@lineage.command(short_help="Pack a run as an RO-Crate, for others.")
@RUN
@click.option("--workflow", type=options.FILE, default=Path("Snakefile"), show_default=True, help="The workflow.")
@click.option("--license", "license_text", default="not stated", help="Under which licence the run is given to others.")
@options.out("the crate (a new folder, or a .zip)")
def export(run: Path, workflow: Path, license_text: str, out: Path) -> None:
    """Pack a run as a Workflow Run RO-Crate: rounds, metrics, figures, workflow, and who made what from what.

    RUN is the results folder; it must verify. Opening the crate does not need AutoShrink.

    \b
    Example:
      autoshrink lineage export results --out run.crate.zip --license https://spdx.org/licenses/CC-BY-4.0
    """
    from autoshrink.lineage import crate
    from autoshrink.lineage import verify as verification

    if out.resolve().is_relative_to(run.resolve()):
        raise UserError(f"--out {out}: lies in the run that it packs; name a place outside {run}")
    found = _read(run)
    wrong = len(verification.verify(found).findings)
    if wrong:
        raise UserError(f"{run}: is not as it was made ({wrong} findings); see 'autoshrink lineage verify {run}'")
    crate.export(found, workflow, out, license_text)
    click.echo(f"{run}: packed in {out}")


@lineage.command(short_help="Copy the files that a folder lacks.")
@click.argument("source", type=options.FOLDER)
@click.argument("target", type=click.Path(path_type=Path))
def copy(source: Path, target: Path) -> None:
    """Copy the files of the folder SOURCE that TARGET lacks; nothing is overwritten.

    Publishing a run and fetching it use this. Interrupted, the same command goes on.

    \b
    Example:
      autoshrink lineage copy /mnt/backup/results results
    """
    from autoshrink.files.copying import copy_missing

    copied, stay = copy_missing(source, target)
    click.echo(f"{target}: {copied} files copied, {stay} were there and stay")


@lineage.command(short_help="Pack a finished search, for DVC.")
@click.argument("best", type=options.FILE)
@options.out("the pack (a .zip)")
def pack(best: Path, out: Path) -> None:
    """Pack a finished search, given its BEST cell's file, into one file: for DVC, which versions files by name.

    \b
    Example:
      autoshrink lineage pack results/cnn/shrink-0/best.json --out results/packs/cnn-shrink-0.zip
    """
    from autoshrink.lineage import graph
    from autoshrink.lineage import pack as lineage_pack

    count = lineage_pack.pack(graph.read(graph.run_of(best)), best, out)
    click.echo(f"{best}: packed with the {count} files it depends on in {out}")


@lineage.command(short_help="Put a packed search back.")
@click.argument("packs", type=options.FILE, nargs=-1)
def unpack(packs: tuple[Path, ...]) -> None:
    """Put the files of PACKS back where they were: rounds, evaluations, records.

    \b
    Example:
      autoshrink lineage unpack results/packs/cnn-shrink-0.zip
    """
    from autoshrink.lineage import pack as lineage_pack

    for path in packs:
        click.echo(f"{path}: {lineage_pack.unpack(path)} files restored")


def _read(results: Path) -> "Run":
    """Return the run in this folder. Raises UserError where none of its files has a record."""
    from autoshrink.lineage import graph

    run = graph.read(results)
    if not run.records and not run.damaged:
        raise UserError(f"{results}: holds no run; give the folder that params.yaml's paths.results names")
    return run


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))
