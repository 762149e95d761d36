"""The ``autoshrink`` command: its verbs by group, and how errors are printed."""

import importlib
import logging
import sys
from collections.abc import Sequence

import click

from autoshrink import __version__
from autoshrink.errors import UserError, meant
from autoshrink.runtime import preemption

# verb: (module, what the group is called in the help); the module is imported only when its verb is asked for
VERBS = {
    "check": ("autoshrink.cli.data", "Before a run"),
    "cost": ("autoshrink.cli.cost", "Before a run"),
    "cell": ("autoshrink.cli.cell", "Before a run"),
    "known-networks": ("autoshrink.cli.known_networks", "Before a run"),
    "prepare": ("autoshrink.cli.data", "Steps of the pipeline, in order"),
    "start": ("autoshrink.cli.search", "Steps of the pipeline, in order"),
    "propose": ("autoshrink.cli.search", "Steps of the pipeline, in order"),
    "evaluate": ("autoshrink.cli.evaluation", "Steps of the pipeline, in order"),
    "select": ("autoshrink.cli.search", "Steps of the pipeline, in order"),
    "finalists": ("autoshrink.cli.search", "Steps of the pipeline, in order"),
    "repeat": ("autoshrink.cli.evaluation", "Steps of the pipeline, in order"),
    "best": ("autoshrink.cli.search", "Steps of the pipeline, in order"),
    "train": ("autoshrink.cli.training", "Steps of the pipeline, in order"),
    "test": ("autoshrink.cli.training", "Steps of the pipeline, in order"),
    "train-reference": ("autoshrink.cli.evidence", "Steps of the pipeline, in order"),
    "choose-rate": ("autoshrink.cli.evidence", "Steps of the pipeline, in order"),
    "test-reference": ("autoshrink.cli.evidence", "Steps of the pipeline, in order"),
    "verdict": ("autoshrink.cli.evidence", "Steps of the pipeline, in order"),
    "report": ("autoshrink.cli.report", "Steps of the pipeline, in order"),
    "export": ("autoshrink.cli.export", "Taking a model along"),
    "predict": ("autoshrink.cli.predict", "Taking a model along"),
    "plan": ("autoshrink.cli.plan", "Taking a model along"),
    "status": ("autoshrink.cli.status", "During and after a run"),
    "compare": ("autoshrink.cli.evidence", "During and after a run"),
    "study": ("autoshrink.cli.study", "During and after a run"),
    "proxy-quality": ("autoshrink.cli.proxy_quality", "During and after a run"),
    "lineage": ("autoshrink.cli.lineage", "During and after a run"),
}


class Verbs(click.Group):
    """A group that imports a verb's module only when the verb is used, so that light verbs start in no time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of the pipeline."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb's command, or None where there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(VERBS[cmd_name][0]), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb that the first word names. Raises click.UsageError, with the closest verb, where none is."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise click.UsageError(f"no such verb: {args[0]!r}{meant(args[0], VERBS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs by group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, (_, group) in VERBS.items():
            command = self.get_command(ctx, name)
            assert command is not None
            groups.setdefault(group, []).append((name, command.get_short_help_str(100)))
        for group, rows in groups.items():
            with formatter.section(group):
                formatter.write_dl(rows)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="autoshrink")
def autoshrink() -> None:
    """Discover efficient neural architectures by shrinking the edges of a cell's DAG.

    The pipeline runs these verbs for you (`make run`, or `snakemake --cores all`); each can be run by hand, to debug or
    to profile a step.

    \b
    Examples:
      autoshrink check                                      is everything in place for a run?
      autoshrink cost --cell shrinkcnn-a --preset paper     what does a released cell cost?
      autoshrink lineage why accuracy_top1 results          where does this number come from?
      autoshrink export results --format onnx               take a model elsewhere

    Shell completion, for bash (zsh_source for zsh, fish_source for fish):

      eval "$(_AUTOSHRINK_COMPLETE=bash_source autoshrink)"
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: a user's mistake ends in one line and status 2, a full disk in status 1."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("autoshrink").setLevel(logging.INFO)  # what libraries tell their own developers is left out
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((word for word in words if word in VERBS), "")
    prefix = f"autoshrink {verb}".strip()
    try:
        # click returns the status of --help and the like, and None from a verb that ended well
        sys.exit(autoshrink.main(words, prog_name="autoshrink", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        print(f"{prefix}: interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    except preemption.Preempted as told:
        print(f"{prefix}: {told}; a checkpoint is written, and the same command goes on from it", file=sys.stderr)
        sys.exit(preemption.STATUS)
    except UserError as error:
        for line in str(error).splitlines():
            print(f"{prefix}: {line}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        print(f"{prefix}: {name}{error.strerror or error}; nothing finished is lost", file=sys.stderr)
        sys.exit(1)
