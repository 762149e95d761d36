"""params.yaml, its schema and the presets say what the types say, and every key is read by somebody."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from autoshrink import params
from autoshrink.params import document
from autoshrink.params.loading import merge
from autoshrink.params.objective import Budget
from autoshrink.params.root import Parameters

ROOT = Path(__file__).resolve().parents[3]
PRESETS = sorted((ROOT / "workflow/presets").glob("*.yaml"))
SCHEMA = ROOT / "workflow/schemas/params.schema.json"
REGENERATE = "change the default where it is typed (src/autoshrink/params), then `make generated`"


def test_the_documented_defaults_are_what_the_types_say() -> None:
    """The committed params.default.yaml is the types' rendering: every key, default and meaning."""
    assert (ROOT / "params.default.yaml").read_text() == document.render(), REGENERATE


def test_the_schema_is_what_the_types_say() -> None:
    """The committed JSON schema is generated from the types."""
    assert SCHEMA.read_text() == document.render_schema(), REGENERATE


def test_the_documented_defaults_are_the_defaults() -> None:
    """Reading params.default.yaml gives exactly the defaults: nothing is lost on the way through YAML."""
    assert params.load([ROOT / "params.default.yaml"]) == document.defaults()


def test_the_starter_is_short_and_states_a_budget(tmp_path: Path) -> None:
    """A new user's params.yaml fits on a screen and stands for the defaults, less the budget and what goes with it."""
    starter = tmp_path / "params.yaml"
    starter.write_text(document.render_starter())
    assert len(document.render_starter().splitlines()) < 60
    chosen = params.load([starter])
    assert chosen.search.cnn.objective.budget == Budget(macs=600_000)
    without = ["search.cnn.objective.budget=null", "search.cnn.finalists.networks=[]"]
    assert params.load([starter], without) == document.defaults()
    assert yaml.safe_load(document.render_starter()).keys() == document.STARTER.keys()


def test_a_users_file_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generating the documented defaults leaves a params.yaml as it is."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("seed: 3\n")
    document.main()
    assert Path("params.yaml").read_text() == "seed: 3\n"
    assert Path("params.default.yaml").read_text() == document.render()


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_hold(preset: Path) -> None:
    """Every preset over params.yaml is valid, for our types and for the schema."""
    for under in ("params.default.yaml", "params.yaml"):
        params.load([ROOT / under, preset])
    files = [ROOT / "params.default.yaml", preset]
    merged: dict[str, Any] = {}
    for file in files:
        merged = merge(merged, yaml.safe_load(file.read_text()))
    jsonschema.validate(merged, json.loads(SCHEMA.read_text()))


def fields(section: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[tuple[str, str]]:
    """Yield (type's name, key) of every key that params.yaml can hold."""
    if section in seen:
        return
    seen.add(section)
    for name, field in section.model_fields.items():
        yield section.__name__, name
        for inner in sections(field.annotation):
            yield from fields(inner, seen)


def sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that a field's type holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from sections(inner)


def test_every_key_is_read() -> None:
    """For every key there is code, outside the types' own declarations, that reads it."""
    read = set()
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow/rules").glob("*.smk")]
    for file in sources:
        text = file.read_text()
        if file.suffix == ".smk":
            read |= {word for line in text.splitlines() for word in line.replace(".", " ").split()}
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                read.add(node.value)  # a recipe that was recorded with a model is read by its keys
    # a task's section is chosen by the task's own name
    unread = {(owner, key) for owner, key in fields(Parameters, set()) if key not in read and key not in ("cnn", "rnn")}
    assert not unread
