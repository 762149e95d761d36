"""From YAML files to one validated ``Parameters``, and errors that name file, key, value and what is accepted."""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from autoshrink.errors import ParameterError
from autoshrink.files import artifacts
from autoshrink.params.data import BUILT_IN
from autoshrink.params.root import Parameters


def load(paths: Sequence[Path], settings: Sequence[str] = ()) -> Parameters:
    """Read params.yaml and its overlays, the later the stronger, then ``key.path=value`` settings; validate.

    Raises ParameterError: one line per mistake, each naming the file(s), the key, what was found and what is accepted.
    """
    merged: dict[str, Any] = {"datasets": {name: entry.model_dump(mode="json") for name, entry in BUILT_IN.items()}}
    for path in paths:
        merged = merge(merged, _read(path))
    for setting in settings:
        merged = merge(merged, _setting(setting))
    return validate(merged, " + ".join(str(path) for path in paths))


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
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
    text = yaml.safe_dump(parameters.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    if not path.exists() or path.read_bytes() != text.encode():
        artifacts.write_text(path, text)
    return path


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of params.yaml, generated from the types."""
    schema = Parameters.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParameterError(f"{path}: there is no such file; give a params.yaml or an overlay of it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    try:
        value = _parse(text)
    except yaml.YAMLError as error:
        raise ParameterError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ParameterError(f"{path}: expected keys and values, found {type(value).__name__}")
    return value


def _parse(text: str) -> Any:
    # libyaml's loader reads a whole params.yaml in a tenth of the time, which every step of the pipeline takes
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _setting(setting: str) -> dict[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ParameterError(f"--set {setting}: expected key.path=value, such as search.cnn.k=5")
    try:
        value: Any = _parse(text)
    except yaml.YAMLError:
        raise ParameterError(f"--set {setting}: the value is not valid YAML") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    assert isinstance(value, dict)
    return value


def _not_json(value: object, key: tuple[str, ...]) -> Iterator[str]:
    """Say of each value that JSON does not know (YAML's dates, not-a-number, keys that are no text) where it stands."""
    accepted = "accepted: text, numbers, booleans, null, lists and mappings"
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(name, str):
                yield from _not_json(item, (*key, name))
            else:
                yield f"{'.'.join(key) or 'the file'}: the key {name!r} is {type(name).__name__}; accepted: text"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_json(item, (*key, str(index)))
    elif not (value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))):
        yield f"{'.'.join(key)} = {value}: is {type(value).__name__}, which no key takes; {accepted}"


_ACCEPTED = {
    "extra_forbidden": "this key is not known; look for a typing error (every key is listed in params.schema.json)",
    "missing": "this key is required",
}


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
        found = f" = {error['input']!r}" if not isinstance(error["input"], dict | list) else ""
    return f"{origin}: {key}{found}: {message}" if key else f"{origin}: {message}"
