"""Pages and figures that the site makes from the code, so that they cannot say anything else than the code does.

A hook of MkDocs (see mkdocs.yml): the parameters' reference from their types, the command line's from its help, the
figures of the explanation from cells.
"""

from collections.abc import Iterator
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from autoshrink.cells import drawing, released
from autoshrink.cells.cell import Cell
from autoshrink.cli.root import VERBS, autoshrink
from autoshrink.params.document import defaults
from autoshrink.params.loading import json_schema

WIDTH = 100
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}
TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text", "null": "null"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and figures to the site."""
    pages = {
        "reference/parameters.md": parameters(),
        "reference/cli.md": command_line(),
        **{f"images/{name}.svg": picture for name, picture in figures()},
    }
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def parameters() -> str:
    """Return the reference of params.yaml: every key with its default, what it takes and what it means."""
    schema = json_schema()
    values = defaults().model_dump(mode="json")
    lines = [
        "# Parameters",
        "",
        "Every key of `params.yaml`, generated from the types that validate it. An overlay (`--configfile`, "
        "`--params`) names only what differs. A key that is not listed here, a value of another type or out of range, "
        "and values that contradict each other are errors in one line, before anything runs.",
        "",
    ]
    for name, found in schema["properties"].items():
        if _has_variants(found):
            lines += _variants(schema, name, found)
        elif "$ref" in found:
            lines += _section(schema, name, _resolve(schema, found), values[name])
        elif "$ref" in (found.get("additionalProperties") or {}):
            lines += _entries(schema, name, found, values[name])
        else:
            lines += [f"## `{name}`", "", *_table([_row(schema, name, found, values[name])])]
    return "\n".join(lines)


def _variants(schema: dict[str, Any], name: str, found: dict[str, Any]) -> Iterator[str]:
    """Yield a mapping from names to entries of several kinds: a heading and a table for each kind."""
    choice = found["additionalProperties"]["discriminator"]
    level = "#" * (2 + name.count("."))
    yield from [f"{level} `{name}`", "", _prose(found["description"]) + " Each key is a name, each value one of these:"]
    for kind, reference in choice["mapping"].items():
        entry = _resolve(schema, {"$ref": reference})
        yield from ["", f"{level}# `{choice['propertyName']}: {kind}`", "", _prose(entry["description"]), ""]
        required = set(entry.get("required", ()))
        rows = [
            _row(schema, key, item, item.get("default"), key in required)
            for key, item in entry["properties"].items()
            if key != choice["propertyName"]
        ]
        yield from _table(rows) if rows else []
    yield ""


def _entries(schema: dict[str, Any], name: str, found: dict[str, Any], values: dict[str, Any]) -> Iterator[str]:
    """Yield a mapping from names to entries of one kind: a heading, a table of their keys, and the built-in ones."""
    entry = _resolve(schema, found["additionalProperties"])
    yield from [f"## `{name}`", "", _prose(found["description"]) + " " + _prose(entry["description"]), ""]
    yield from _table([_row(schema, key, item, item.get("default")) for key, item in entry["properties"].items()])
    yield from ["Built in:", ""]
    for key, value in values.items():
        given = {part: item for part, item in value.items() if item is not None}
        yield f"- `{key}`: `{_yaml(given)}`"
    yield ""


def _section(schema: dict[str, Any], name: str, found: dict[str, Any], values: Any) -> Iterator[str]:
    """Yield a section as a heading, its meaning and a table, its sub-sections as sections after it."""
    yield from [f"{'#' * min(4, 2 + name.count('.'))} `{name}`", "", _prose(found.get("description", "")), ""]
    rows, below = [], []
    for key, item in found["properties"].items():
        inner = _resolve(schema, item)
        if _has_variants(item):
            below += list(_variants(schema, f"{name}.{key}", item))
        elif "properties" in inner and isinstance(values[key], dict):
            below += list(_section(schema, f"{name}.{key}", inner, values[key]))
        else:
            rows.append(_row(schema, key, item, values[key]))
    yield from _table(rows) if rows else []
    yield from below


def _has_variants(found: dict[str, Any]) -> bool:
    entries = found.get("additionalProperties")
    return isinstance(entries, dict) and "discriminator" in entries


def _row(schema: dict[str, Any], name: str, found: dict[str, Any], value: Any, required: bool = False) -> list[str]:
    default = "required" if required else f"`{_yaml(value)}`"
    meaning = _prose(found.get("description", _resolve(schema, found).get("description", "")))
    return [f"`{name}`", default, _accepted(schema, found), meaning]


def _accepted(schema: dict[str, Any], found: dict[str, Any]) -> str:
    """Return in words what a property takes."""
    found = {**_resolve(schema, found), **{key: value for key, value in found.items() if key != "$ref"}}
    if "anyOf" in found or "oneOf" in found:
        parts = [_accepted(schema, item) for item in found.get("anyOf", found.get("oneOf"))]
        return " or ".join(dict.fromkeys(parts))
    if "const" in found:
        return f"`{found['const']}`"
    if "enum" in found:
        return ", ".join(f"`{item}`" for item in found["enum"])
    if found.get("type") == "array":
        return f"list of: {_accepted(schema, found['items'])}"
    if "properties" in found:
        return "; ".join(f"`{key}`: {_accepted(schema, item)}" for key, item in found["properties"].items())
    if found.get("type") == "object":
        return "keys and values"
    bounds = [text.format(found[key]) for key, text in BOUNDS.items() if key in found]
    return ", ".join([TYPES[found["type"]], *bounds])


def _table(rows: list[list[str]]) -> Iterator[str]:
    yield "| key | default | accepted | meaning |"
    yield "| --- | --- | --- | --- |"
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""


def _resolve(schema: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    reference = found.get("$ref")
    resolved: dict[str, Any] = schema["$defs"][reference.rsplit("/", 1)[1]] if reference else found
    return resolved


def _prose(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def _yaml(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def command_line() -> str:
    """Return the reference of the command line: what each verb's ``--help`` prints, by group."""
    root = click.Context(autoshrink, info_name="autoshrink", max_content_width=WIDTH, terminal_width=WIDTH)
    lines = ["# Command line", "", "What `autoshrink --help` and each verb's `--help` print.", ""]
    lines += ["```text", autoshrink.get_help(root), "```", ""]
    group = ""
    for name, (_, belongs) in VERBS.items():
        if belongs != group:
            group = belongs
            lines += [f"## {group}", ""]
        command = autoshrink.get_command(root, name)
        assert command is not None
        lines += _verb(command, root, f"autoshrink {name}", 3)
    return "\n".join(lines)


def _verb(command: click.Command, parent: click.Context, name: str, level: int) -> Iterator[str]:
    own = click.Context(
        command, parent=parent, info_name=name.split()[-1], max_content_width=WIDTH, terminal_width=WIDTH
    )
    yield from [f"{'#' * level} `{name}`", "", "```text", command.get_help(own), "```", ""]
    if isinstance(command, click.Group):
        for below in command.list_commands(own):
            inner = command.get_command(own, below)
            assert inner is not None
            yield from _verb(inner, own, f"{name} {below}", level + 1)


def figures() -> Iterator[tuple[str, str]]:
    """Yield the figures' names and SVG: released cells, and one search's cells as edges fall."""
    for name, cell in released.cells().items():
        yield name, drawing.svg(cell, f"The released cell {name}")
    yield from shrinking()


def shrinking() -> Iterator[tuple[str, str]]:
    """Yield a small search by hand: complete, one edge less, one more with the node that it cuts off, a later cell."""
    cell = Cell.complete(["separable_conv_3x3", "conv_1x1", "separable_conv_3x3"])
    removed = [(1, 3), (0, 2), (1, 2)]
    for step, edge in enumerate([None, *removed]):
        before = cell
        if edge is not None:
            cell = cell.without(edge).pruned()
        fallen = sorted(set(before.edges) - set(cell.edges))
        yield f"shrinking-{step}", drawing.svg(cell, f"A cell, round {step}", 4, fallen)
