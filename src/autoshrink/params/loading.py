"""From YAML files to one validated ``Parameters``, and errors that name file, key, value and what is accepted."""

import copy
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autoshrink.errors import ParameterError, meant
from autoshrink.files import artifacts, foreign
from autoshrink.files.artifacts import Json
from autoshrink.params import markup
from autoshrink.params.root import Parameters

MOST_BYTES = 4_000_000
"""Size of a file of parameters, at most."""


def load(paths: Sequence[Path], settings: Sequence[str] = ()) -> Parameters:
    """Read params.yaml and its overlays, the later the stronger, then ``key.path=value`` settings; validate.

    Raises ParameterError: one line per mistake, each naming the file(s), the key, what was found and what is accepted.
    """
    # a section's default may differ from its type's, and a file that changes one key is to keep the others
    merged = Parameters().model_dump(mode="json")
    for path in paths:
        merged = merge(merged, read(path))
    for setting in settings:
        merged = merge(merged, _setting(setting))
    return validate(merged, " + ".join(str(path) for path in paths))


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> Json:
    """Return ``base`` with ``overlay``'s values, mappings merged key by key, everything else replaced.

    A data set whose ``source`` changes, or a strategy whose ``kind`` does, is replaced whole: keys of one mean nothing
    to another.
    """
    result = copy.deepcopy(dict(base))
    for key, value in overlay.items():
        old = result.get(key)
        if (
            isinstance(value, Mapping)
            and isinstance(old, Mapping)
            and all(value.get(name, old.get(name)) == old.get(name) for name in ("source", "kind"))
        ):
            result[key] = merge(old, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def validate(values: Mapping[str, Any], origin: str) -> Parameters:
    """Return the typed parameters. Raises ParameterError, one line per mistake, naming ``origin``."""
    foreign = list(_not_json(values, ()))
    if foreign:
        raise ParameterError("\n".join(f"{origin}: {line}" for line in foreign))
    try:
        return Parameters.model_validate_json(artifacts.canonical_json(values))
    except ValidationError as error:
        raise ParameterError("\n".join(_line(origin, item) for item in error.errors())) from None


def frozen_path(parameters: Parameters, folder: Path) -> Path:
    """Return where ``freeze`` keeps these parameters: a name made of their digest."""
    return folder / f"params-{artifacts.digest_of(parameters.model_dump(mode='json'))[:16]}.yaml"


def freeze(parameters: Parameters, folder: Path) -> Path:
    """Write the parameters to ``folder`` under their own digest and return the file.

    Jobs read this file, so that editing params.yaml during a run changes nothing that is under way.
    """
    path = frozen_path(parameters, folder)
    text = markup.dump(parameters.model_dump(mode="json"))
    if not path.exists() or path.read_bytes() != text.encode():
        artifacts.write_text(path, text)
    return path


def json_schema() -> Json:
    """Return the JSON schema of params.yaml, generated from the types."""
    schema = Parameters.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def read(path: Path) -> Json:
    """Return the values of one file, not yet validated. Raises ParameterError, in one line, where it holds none."""
    try:
        text = foreign.read(path, MOST_BYTES).decode().removeprefix("\ufeff")
    except FileNotFoundError:
        raise ParameterError(f"{path}: there is no such file; give a params.yaml or an overlay of it") from None
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ParameterError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    try:
        value = markup.parse(text)
    except markup.MarkupError as error:
        raise ParameterError(f"{path}: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ParameterError(f"{path}: expected keys and values, found {type(value).__name__}")
    return value


def _setting(setting: str) -> Json:
    key, equals, text = setting.partition("=")
    parts = key.split(".")
    if not equals or not all(parts):
        raise ParameterError(f"--set {setting}: expected key.path=value, such as search.cnn.k=5")
    if len(parts) > markup.MOST_DEPTH:
        raise ParameterError(f"--set {key[:60]}...: a key of {len(parts):,} parts, which no parameter has")
    try:
        value: Any = markup.parse(text)
    except markup.MarkupError as error:
        raise ParameterError(f"--set {setting}: the value is {str(error).removeprefix('line 1: ')}") from None
    for part in reversed(parts):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _not_json(value: object, key: tuple[str, ...]) -> Iterator[str]:
    """Say of each value that JSON does not know (YAML's dates, not-a-number, keys that are no text) where it stands."""
    accepted = "accepted: text, numbers, booleans, null, lists and mappings"
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(name, str):
                if "\0" in name or not name.isascii():  # other control characters are for the names' own rules
                    yield from _not_text(name, key)
                yield from _not_json(item, (*key, name))
            else:
                yield f"{'.'.join(key) or 'the file'}: the key {name!r} is {type(name).__name__}; accepted: text"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_json(item, (*key, str(index)))
    elif isinstance(value, str):
        yield from _not_text(value, key)
    elif not (value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))):
        yield f"{'.'.join(key)} = {value}: is {type(value).__name__}, which no key takes; {accepted}"


def _not_text(value: str, key: tuple[str, ...]) -> Iterator[str]:
    """Say where a text holds what no name has: a control character, a line break, or half of a surrogate pair."""
    odd = next((letter for letter in value if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")), None)
    if odd is not None:
        yield f"{'.'.join(key) or 'the file'} = {value!r}: holds {odd!r}; accepted: printable text"


_ACCEPTED = {
    "extra_forbidden": "this key is not known; every key is listed in params.schema.json",
    "missing": "this key is required",
}
_LISTED = re.compile(r"'(?P<found>[^']+)'[^;]*; accepted: (?P<accepted>[\w-]+(?:, [\w-]+)*)$")


def _line(origin: str, error: Any) -> str:
    # the discriminator's value stands in pydantic's location after the entry's name, but not in the user's file
    location = [str(part) for part in error["loc"]]
    for section in (["datasets"], ["search", "strategies"]):
        if location[: len(section)] == section and len(location) > len(section) + 1:
            del location[len(section) + 1]
    key = ".".join(location)
    message = error["msg"].removeprefix("Value error, ")
    message = _ACCEPTED[error["type"]] if error["type"] in _ACCEPTED else message[0].lower() + message[1:]
    if error["type"] == "union_tag_not_found":
        message = f"the key {error['ctx']['discriminator']} is required here"
    found = ""
    if error["type"] not in ("missing", "value_error"):
        found = f" = {_short(error['input'])}" if not isinstance(error["input"], dict | list) else ""
    line = f"{origin}: {key}{found}: {message}" if key else f"{origin}: {message}"
    return line + _question(error, message)


def _question(error: Any, message: str) -> str:
    """Return which accepted word may have been meant, where the mistake looks like a typing error."""
    context = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        return meant(error["loc"][-1], _keys_at(error["loc"][:-1]))
    if error["type"] in ("literal_error", "enum"):
        return meant(error["input"], re.findall(r"'([^']*)'", context["expected"]))
    if error["type"] == "union_tag_invalid":
        return meant(context["tag"], re.findall(r"'([^']*)'", context["expected_tags"]))
    listed = _LISTED.search(message) if error["type"] == "value_error" else None
    return meant(listed["found"], listed["accepted"].split(", ")) if listed else ""


def _keys_at(location: Sequence[str | int]) -> list[str]:
    """Return the keys that the section at a place in params.yaml takes; empty where the place is none."""
    schema = Parameters.model_json_schema()
    node: Any = schema
    for part in (None, *location):
        if part is not None:
            mapping = node.get("discriminator", {}).get("mapping", {})
            inner = node.get("properties", {}).get(part) or node.get("additionalProperties") or node.get("items")
            node = {"$ref": mapping[part]} if part in mapping else inner
        if not isinstance(node, dict):
            return []
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return list(node.get("properties", {}))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
