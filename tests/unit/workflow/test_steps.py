"""The table of steps agrees with everything that names a step: rules, verbs, DVC's stages."""

import re
from pathlib import Path

import pytest
import yaml

from autoshrink.cli.root import VERBS
from autoshrink.params.base import Task
from autoshrink.params.document import defaults, render_starter
from autoshrink.workflow.slices import slice_of
from autoshrink.workflow.steps import QUICK_RULES, STEPS

ROOT = Path(__file__).resolve().parents[3]
RULES = "".join(file.read_text() for file in sorted((ROOT / "workflow/rules").glob("*.smk")))


def test_every_rule_is_a_step_and_runs_its_verb() -> None:
    """Each rule that has a command is one step's, and the command is that step's verb; publishing makes nothing."""
    blocks = re.split(r"^rule (\w+):", RULES, flags=re.MULTILINE)[1:]
    commands = dict(zip(blocks[::2], blocks[1::2], strict=True))
    found = {rule: verbs[0] for rule, text in commands.items() if (verbs := re.findall(r"\bautoshrink ([\w-]+)", text))}
    assert found.pop("publish") == "lineage"
    assert found == {step.rule: step.verb for step in STEPS.values()}


def test_every_step_is_a_verb_of_the_command_line() -> None:
    """Each step can be run by hand."""
    assert set(STEPS) <= set(VERBS)


def test_quick_steps_run_where_snakemake_runs() -> None:
    """The rules that no cluster gets are the quick steps', and the targets that only collect."""
    local = re.findall(r"^localrules:\n((?:    \w+,\n)+)", (ROOT / "Snakefile").read_text(), re.MULTILINE)
    assert {name.strip(" ,") for name in local[0].splitlines()} == QUICK_RULES | {"all", "study"}


@pytest.mark.parametrize("verb", sorted(STEPS))
def test_what_a_step_reads_is_one_of_the_parameters(verb: str) -> None:
    """What the table says a step reads, the parameters have."""
    assert set(STEPS[verb].sections) <= set(defaults().model_dump())


def test_dvc_finds_its_groups_in_a_new_users_parameters() -> None:
    """Every group that a stage lists, and every value that dvc.yaml takes in, stands in the first params.yaml."""
    text = (ROOT / "dvc.yaml").read_text()
    stages = yaml.safe_load(text)["stages"].values()
    named = {group for stage in stages for group in stage.get("do", stage)["params"]}
    named |= {name.partition("[")[0] for name in re.findall(r"\$\{([^}]+)\}", text) if name != "item"}
    for name in sorted(named):
        value = yaml.safe_load(render_starter())
        for part in name.split("."):
            assert part in value, name
            value = value[part]


# what a stage of dvc.yaml makes, by the steps that make it
STAGES = {
    "data": ["prepare"],
    "search": ["start", "propose", "evaluate", "select", "finalists", "repeat", "best"],
    "training": ["train"],
    "metrics": ["test"],
    "verdict": ["train-reference", "choose-rate", "test-reference", "verdict"],
    "report": ["report"],
}


def test_dvc_tracks_what_its_steps_depend_on() -> None:
    """Each stage of dvc.yaml lists every parameter that its steps depend on, or a group that holds it."""
    parameters = defaults()
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    seen = set()
    for name, stage in stages.items():
        kind, _, task = name.partition("-")
        seen.add(kind)
        listed = stage.get("do", stage)["params"]
        for verb in STAGES[kind]:
            if verb == "prepare":
                assert {"seed", "datasets"} <= set(listed)
                continue
            needed = slice_of(parameters, verb, Task(task) if task else None)
            for key in leaves(needed):
                assert any(key == group or key.startswith(f"{group}.") for group in listed), f"{name}: {key}"
    assert seen == set(STAGES)


def leaves(values: dict[str, object], prefix: str = "") -> list[str]:
    """Return the dotted keys of all values that are no mappings, or empty ones."""
    found = []
    for key, value in values.items():
        found += leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"]
    return found
