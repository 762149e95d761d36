"""params.default.yaml and the JSON schema, rendered from the types: keys, defaults, meanings, what is accepted.

``python -m autoshrink.params.document`` writes both; a test fails when the committed files are not what it writes.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from inspect import getdoc
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from autoshrink.files import artifacts
from autoshrink.files.artifacts import Json
from autoshrink.params.base import Section
from autoshrink.params.data import ImageFolder, OwnText
from autoshrink.params.loading import json_schema
from autoshrink.params.root import AnyDataset, Parameters

WIDTH = 120

# data sets of a user's own, as the file shows how to add them
EXAMPLES: dict[str, AnyDataset] = {
    "my-photographs": ImageFolder(source="imagefolder", folder="path/to/photographs"),
    "my-text": OwnText(source="text", train="path/train.txt", validation="path/valid.txt", test="path/test.txt"),
}

HEAD = """\
All parameters of AutoShrink with their defaults, meaning and accepted values. `make generated` writes this file from
src/autoshrink/params, and nothing reads it; put your changes into params.yaml or an overlay:
    snakemake --cores all --configfile workflow/presets/paper.yaml
Unknown keys, wrong types and values out of range are reported in one line each before any job starts.
"""

STARTER_HEAD = """\
The parameters of your run. params.default.yaml lists all of them with defaults, meaning and accepted values; add,
change and remove lines as you like. With DVC, keep each group that dvc.yaml names. Mistakes are reported in one line
each before any job starts.
"""

NETWORKS = [{"stage_cells": [1, 2, 2]}, {"activation": "silu"}, {"stage_cells": [1, 2, 2], "activation": "silu"}]
# what a params.yaml to begin with holds, at the defaults but for the values that are given
STARTER: Json = {
    "seed": None,
    "tasks": None,
    "paths": {"data": None, "store": None, "results": None},
    "datasets": {},
    "boards": {},
    "search": {
        "seeds": None,
        "slots_per_job": None,
        "strategies": {},
        "cnn": {
            "strategy": None,
            "nodes": None,
            "k": None,
            "objective": {"budget": {"macs": 600_000}},
            "finalists": {"networks": NETWORKS},
        },
        "rnn": {"strategy": None, "nodes": None, "k": None},
    },
    "proxy": {"cnn": {"dataset": None}, "rnn": {"dataset": None}},
    "training": {"cnn": {"dataset": None, "epochs": None}, "rnn": {"dataset": None, "epochs": None}},
    "references": {},
    "evidence": {"seeds": None},
    "study": {"strategies": None, "seeds": None},
    "plan": {"devices": None},
    "report": {"known_networks": None},
    "paper_defects": {"validation_from_test_split": None, "validation_with_replacement": None},
}
NOTES = {
    "datasets": "your own data sets; mnist5k, digits, fashion-mnist, cifar10, sotu and ptb are built in",
    "boards": "your own devices, for objective.budget.board; autoshrink check tells of one that nothing meets",
    "search.strategies": "your own, or changes of built-in ones: shrink, random, evolution, ...",
    "references": "what found networks are compared with, such as cnn: {networks: [complete, mobilenet_v2]}",
    "search.seeds": "one search per label",
    "search.cnn.objective.budget": "what the final network may cost for one image",
    "search.cnn.finalists.networks": "networks of that cost to try around the best cells",
}


def defaults() -> Parameters:
    """Return the parameters of a run that changes nothing."""
    return Parameters()


def render_starter() -> str:
    """Return the text of a params.yaml to begin with: short, the user's own, and no different from the defaults but for
    the budget, which only the user knows."""
    values = defaults().model_dump(mode="json")
    lines = [*_comment(STARTER_HEAD, ""), ""]

    def entries(wanted: Mapping[str, Any], found: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for name, inner in wanted.items():
            key = f"{prefix}{name}"
            indent = "  " * key.count(".")
            note = f"  # {NOTES[key]}" if key in NOTES else ""
            if isinstance(inner, list):
                yield f"{indent}{name}:{note}"
                yield from (f"{indent}- {_yaml(item)}" for item in inner)
            elif isinstance(inner, dict) and inner:
                yield f"{indent}{name}:{note}"
                yield from entries(inner, found.get(name) or {}, f"{key}.")
            else:
                value = found[name] if inner is None else inner
                yield f"{indent}{name}: {_yaml(value)}{note}"

    return "\n".join([*lines, *entries(STARTER, values, "")]) + "\n"


def render() -> str:
    """Return the text of params.default.yaml."""
    lines = [*_comment(HEAD, ""), ""]
    for number, line in enumerate(_section(defaults(), "", {"datasets": _examples()})):
        # a blank line before each top-level key's comment tells the sections apart
        lines += ["", line] if number and line.startswith("#") and not lines[-1].startswith("#") else [line]
    return "\n".join(lines) + "\n"


def render_schema() -> str:
    """Return the text of the JSON schema."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write params.default.yaml and workflow/schemas/params.schema.json below the current folder.

    A params.yaml is written only where there is none: it is the user's.
    """
    artifacts.write_text(Path("params.default.yaml"), render())
    artifacts.write_text(Path("workflow/schemas/params.schema.json"), render_schema())
    if not Path("params.yaml").exists():
        artifacts.write_text(Path("params.yaml"), render_starter())


def _section(section: BaseModel, indent: str, additions: Mapping[str, list[str]]) -> Iterator[str]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        yield from _comment(_explanation(type(section), name, field, value), indent)
        yield from _entry(name, value, indent)
        yield from additions.get(name, [])


def _entry(name: str, value: Any, indent: str) -> Iterator[str]:
    deeper = indent + "  "
    if isinstance(value, Section):
        yield f"{indent}{name}:"
        yield from _section(value, deeper, {})
    elif isinstance(value, dict) and value:
        yield f"{indent}{name}:"
        for key, item in value.items():
            yield from _comment(getdoc(type(item)) or "", deeper)
            yield from _entry(key, item, deeper)
    else:
        yield f"{indent}{name}: {_yaml(value)}"


def _examples() -> list[str]:
    lines = ["  # Your own data: uncomment, rename, and name it in `proxy` and `training`."]
    for name, example in EXAMPLES.items():
        lines += [f"  # {line}".rstrip() for line in _entry(name, example, "")]
    return lines


def _yaml(value: Any) -> str:
    """Return a value as one line of YAML."""
    if isinstance(value, list):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    if isinstance(value, dict) and value:
        return f"{{{', '.join(f'{key}: {_yaml(item)}' for key, item in value.items())}}}"
    if isinstance(value, Enum):
        value = value.value
    return yaml.safe_dump(value, width=10**6).removesuffix("\n...\n").strip()


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in text.replace("``", "`").rstrip().splitlines():
        yield from textwrap.wrap(line, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ") or [
            f"{indent}#"
        ]


def _explanation(owner: type[BaseModel], name: str, field: FieldInfo, value: Any) -> str:
    if isinstance(value, Section):
        return getdoc(type(value)) or ""
    accepted = "" if len(get_args(field.annotation)) == 1 else _accepted(field)
    text = " ".join(_description(owner, name).split())
    return f"{text} Accepted: {accepted}.".strip() if accepted else text


def _description(owner: type[BaseModel], name: str) -> str:
    """Return a field's docstring, also where a subclass only gave the field another default; "" where it has none."""
    for ancestor in owner.__mro__:
        if issubclass(ancestor, BaseModel) and name in ancestor.model_fields:
            description = ancestor.model_fields[name].description
            if description:
                return description
    return ""


def _accepted(field: FieldInfo) -> str:
    """Return what a field takes, in words, where its default does not show it."""
    parts = list(dict.fromkeys(_choices(field.annotation)))
    return ", ".join(parts) or _bounds(field.metadata)


def _choices(annotation: Any) -> Iterator[str]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield from (str(item) for item in arguments)
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (str(item.value) for item in annotation)
    elif origin is list or origin is Union or arguments:
        for argument in arguments:
            yield from _choices(argument)
        return


def _bounds(metadata: list[Any]) -> str:
    low = high = ""
    for item in metadata:
        if isinstance(item, annotated_types.Ge):
            low = f"{item.ge} or more"
        elif isinstance(item, annotated_types.Gt):
            low = f"above {item.gt}"
        elif isinstance(item, annotated_types.Le):
            high = f"at most {item.le}"
        elif isinstance(item, annotated_types.Lt):
            high = f"below {item.lt}"
    return ", ".join(part for part in (low, high) if part)


if __name__ == "__main__":
    main()
