"""YAML as AutoShrink reads and writes it: YAML 1.1 with the numbers of YAML 1.2, bounded in depth and size.

``1e-3`` is a number and ``010`` is ten (YAML 1.1 takes the first for text and the second for eight); ``1:30`` is text.
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import yaml

from autoshrink.errors import UserError

MOST_DEPTH = 32
"""Levels of mappings and lists inside each other, at most."""
MOST_VALUES = 100_000
"""Values of a file, those that aliases repeat counted each time, at most."""

_INTEGER = re.compile(r"[-+]?[0-9][0-9_]*$|0o[0-7]+$|0x[0-9a-fA-F]+$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$")


class MarkupError(UserError):
    """Text that is no YAML, or YAML that is not taken: what is wrong with it, in one line without the file's name."""


def parse(text: str) -> Any:
    """Return the values that a YAML text holds. Raises MarkupError."""
    try:
        _check_shape(text)
        value = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, MarkupError):
            raise
        raise MarkupError(f"not valid YAML: {' '.join(str(error).split())}") from None
    _count(value, [0], ())
    return value


def dump(value: Any) -> str:
    """Return JSON values as YAML that ``parse`` reads back as they are."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def _check_shape(text: str) -> None:
    """Refuse deep nesting before values are built: libyaml's binding recurses until the process dies."""
    depth = 0
    for event in yaml.parse(text, Loader=_BASE):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                assert event.start_mark is not None
                raise MarkupError(f"line {event.start_mark.line + 1}: more than {MOST_DEPTH} levels inside each other")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _count(value: object, count: list[int], parents: tuple[int, ...]) -> None:
    """Refuse values that hold themselves, and more values than a person writes: few aliases make billions."""
    count[0] += 1
    if count[0] > MOST_VALUES:
        raise MarkupError(f"more than {MOST_VALUES:,} values, those that aliases repeat included; write fewer")
    if id(value) in parents:
        raise MarkupError("an alias (*) stands inside what its anchor (&) names, so the value holds itself; remove it")
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        _count(item, count, (*parents, id(value)))


def _integer(loader: Any, node: yaml.ScalarNode) -> int:
    text = str(node.value).replace("_", "")
    if len(text) > 1000:  # Python itself refuses more than 4,300 digits
        raise MarkupError(f"line {node.start_mark.line + 1}: a number of {len(text):,} digits")
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(loader: Any, node: yaml.ScalarNode) -> float:
    text = str(node.value).lower().replace(".inf", "inf").replace(".nan", "nan")
    return float(text)


def _mapping(loader: Any, node: yaml.MappingNode) -> Iterator[dict[Any, Any]]:
    seen: dict[Hashable, int] = {}
    for key_node, _ in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise MarkupError(f"line {line}: a key that is a mapping or a list; accepted: text")
        if key_node.value in seen and key_node.tag != "tag:yaml.org,2002:merge":
            raise MarkupError(
                f"line {line}: the key {key_node.value!r} stands in line {seen[key_node.value]} already; remove one"
            )
        seen[key_node.value] = line
    value: dict[Any, Any] = {}
    yield value  # before it is filled, so that an alias inside can refer to it
    value.update(loader.construct_mapping(node))


Resolver = tuple[str, re.Pattern[str]]
"""A tag, and which plain values have it."""


def _numbers(resolvers: Mapping[str, list[Resolver]]) -> dict[str, list[Resolver]]:
    """Return implicit resolvers with YAML 1.2's numbers in place of YAML 1.1's."""
    kept = {
        first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith((":int", ":float"))]
        for first, pairs in resolvers.items()
    }
    for first in "-+0123456789.":
        numbers = [("tag:yaml.org,2002:int", _INTEGER), ("tag:yaml.org,2002:float", _FLOAT)]
        kept[first] = [*numbers, *kept.get(first, [])]
    return kept


# libyaml's loader reads a whole params.yaml in a tenth of the time, which every step of the pipeline takes
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    yaml_implicit_resolvers = _numbers(yaml.SafeLoader.yaml_implicit_resolvers)


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


class _Dumper(yaml.SafeDumper):
    # what either version reads as a number is quoted where it is text
    yaml_implicit_resolvers = {
        first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *pairs]
        for first, pairs in _numbers(yaml.SafeDumper.yaml_implicit_resolvers).items()
    }
