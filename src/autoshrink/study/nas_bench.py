"""Reading the tabular benchmarks' own formats: NAS-Bench-101's file, NAS-Bench-201's strings, NAS-Bench-Macro's JSON,
and our keys.

C. Ying et al., "NAS-Bench-101: Towards reproducible neural architecture search", ICML 2019; X. Dong and Y. Yang,
"NAS-Bench-201: Extending the scope of reproducible neural architecture search", ICLR 2020.
"""

import base64
import json
import math
import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import MOST_NODES, Cell, CellError, Edge
from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.search.choices import Choices
from autoshrink.study import macro
from autoshrink.study.entries import TableEntry

_NODE = re.compile(r"([A-Za-z0-9_.-]+)\(([0-9,]*)\)")


def cell_of_key(key: str) -> Cell:
    """Return the cell of a key such as ``conv_1x1(0);conv_3x3(0,1)``. Raises CellError on anything else."""
    operators, edges = [], []
    for node, word in enumerate(_bounded(key.split(";") if key else []), start=1):
        match = _NODE.fullmatch(word)
        if match is None:
            raise CellError(f"{word!r} is no operator(sources), such as conv_1x1(0,1)")
        operators.append(match[1])
        edges += [(int(source), node) for source in match[2].split(",") if source]
    return Cell.of(operators, edges)


def _bounded(words: list[str]) -> list[str]:
    if len(words) >= MOST_NODES:
        raise CellError(f"a cell of {len(words) + 1:,} nodes; accepted: at most {MOST_NODES}")
    return words


class Unmapped(StrEnum):
    """Why a graph of a benchmark is none of our cells."""

    MIXED = "with different operators into one node"
    DEAD_END = "with a node that does not lead to the output"
    NOTHING = "with nothing that reaches the output"
    SHARED = "with a node that feeds both the output and another node, or that nothing feeds"


def cell_of_201(text: str) -> Cell | Unmapped:
    """Return the cell of a NAS-Bench-201 string, or why it is none of ours.

    There an edge carries an operator and nodes add up; here a node carries one. So only strings whose edges into a node
    all carry the same operator (or ``none``) are cells, and only those in which every node that gets something leads to
    the last one, which alone is the output. Raises CellError where ``text`` is no such string.
    """
    groups = _bounded(text.split("+"))
    operators: dict[int, str] = {}
    edges: list[Edge] = []
    for node, group in enumerate(groups, start=1):
        words = [word.rpartition("~") for word in group.strip("|").split("|")]
        if any(not operator or not source.isdigit() or int(source) >= node for operator, _, source in words):
            raise CellError(f"{text!r} is no NAS-Bench-201 string, such as |conv~0|+|conv~0|none~1|")
        used = [(operator, int(source)) for operator, _, source in words if operator != "none"]
        if len({operator for operator, _ in used}) > 1:
            return Unmapped.MIXED
        for operator, source in used:
            operators[node] = operator
            edges.append((source, node))
    # nodes that nothing feeds carry no operator; any will do, for pruning drops them
    cell = Cell.of([operators.get(node, "none") for node in range(1, len(groups) + 1)], edges).pruned()
    if cell.leaves == (len(groups),):
        return cell
    return Unmapped.DEAD_END if len(groups) in cell.nodes else Unmapped.NOTHING


NAS_201 = Choices(
    ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)),
    ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"),
)
"""NAS-Bench-201's own space: the edges of its cell, in the order of its strings."""
LARGEST_MACRO, LARGEST_RECORD = 2**24, 2**20
"""Bytes of NAS-Bench-Macro's file, and of a record of NAS-Bench-101's, at most; the real ones have a tenth."""
MACRO = Choices(tuple((layer, layer + 1) for layer in range(macro.LAYERS)), macro.BLOCKS)
"""NAS-Bench-Macro's own space: its eight layers, each one of three blocks."""


def choices_of_201(text: str) -> Cell:
    """Return a NAS-Bench-201 string's network in its own space, a cell with a node per edge. Raises CellError where it
    is no string of four nodes and five operators."""
    words = [word for group in text.split("+", 3) for word in group.strip("|").split("|", 6)]
    expected = [f"~{source}" for source, _ in NAS_201.places]
    chosen = [word.partition("~") for word in words]
    if [mark + source for _, mark, source in chosen] != expected or text.count("+") != 2:
        raise CellError(
            f"{text!r} is no NAS-Bench-201 string of six edges, which --space own asks for; accepted: --space cells"
        )
    odd = [operator for operator, _, _ in chosen if operator not in NAS_201.options]
    if odd:
        raise CellError(f"{odd[0]!r} is no operator of NAS-Bench-201; accepted: {', '.join(NAS_201.options)}")
    return NAS_201.cell({place: item[0] for place, item in zip(NAS_201.places, chosen, strict=True)})


def read_macro(path: Path) -> dict[str, TableEntry]:
    """Return NAS-Bench-Macro's evaluations by cell key: X. Su et al., "Prioritized Architecture Sampling with
    Monto-Carlo Tree Search", CVPR 2021.

    The file has test accuracies alone, of three trainings each. The first stands for what a search sees, and the mean
    of the others for the final training, so that no number is used twice. What a small device needs is counted here,
    and given where the same count has the file's own MACs and parameters. Raises DataError on another or damaged file.
    """
    try:
        with artifacts.opened(path) as file:
            raw = file.read(LARGEST_MACRO + 1)
        if len(raw) > LARGEST_MACRO:
            raise ValueError(f"more than {LARGEST_MACRO >> 20} MiB")
        content = json.loads(raw)
        found = {}
        for name, row in content.items():
            if not re.fullmatch("[012]{8}", name):
                raise ValueError(f"the network {name[:40]!r} is no eight digits 0, 1 and 2")
            first, *others = [float(value) / 100 for value in row["test_acc"]]
            if not others or not all(0 <= value <= 1 for value in (first, *others)):
                raise ValueError(f"{name}: expected several accuracies in per cent")
            blocks = {place: MACRO.options[int(digit)] for place, digit in zip(MACRO.places, name, strict=True)}
            costs = {"macs": float(row["flops"]), "parameters": float(row["params"])}
            counted = macro.costs([MACRO.options[int(digit)] for digit in name])
            if all(counted[key] == value for key, value in costs.items()):
                costs = counted
            if not all(0 < value < 1e18 for value in costs.values()):
                raise ValueError(f"{name}: flops and params must be positive numbers")
            metrics = {"accuracy": first, "test": sum(others) / len(others)}
            found[MACRO.cell(blocks).key] = TableEntry(metrics, costs, 1)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(f"{path}: is not NAS-Bench-Macro's file ({type(error).__name__}: {reason})") from None
    if not found:
        raise DataError(f"{path}: holds no network")
    return found


def read_101(path: Path) -> tuple[dict[str, TableEntry], Counter[Unmapped | None]]:
    """Return NAS-Bench-101's evaluations by cell key, from its official TFRecord file, and how many of its records are
    cells (None) and why others are not; accuracies are means of its runs.

    Its graphs end in an output vertex; ours end in leaves, which together are the output. So a graph is one of our
    cells when whatever feeds the output feeds nothing else. Validation accuracy is taken at the fewest epochs in the
    file (the proxy), test accuracy at the most. Raises DataError on a damaged file.
    """
    # key: epochs: [(validation accuracy, test accuracy), ...]
    runs: dict[str, dict[int, list[tuple[float, float]]]] = {}
    parameters: dict[str, int] = {}
    records: Counter[Unmapped | None] = Counter()
    for record in _records(path):
        try:
            _, epochs, adjacency, operations, metrics = json.loads(record)
            cell = _cell_of_101(adjacency, operations.split(","))
            records[Unmapped.SHARED if cell is None else None] += 1
            if cell is None:
                continue
            validation, test, count = _metrics(base64.b64decode(metrics))
            if type(epochs) is not int or not 0 < epochs < 10**6:
                raise ValueError(f"{str(epochs)[:20]!r} are no epochs")
        # a record of another kind may be any JSON, and any protocol buffer
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error, CellError) as error:
            reason = " ".join(str(error).split())[:120]
            raise DataError(f"{path}: a record is not NAS-Bench-101's ({type(error).__name__}: {reason})") from None
        runs.setdefault(cell.key, {}).setdefault(epochs, []).append((validation, test))
        parameters[cell.key] = count
    if not runs:
        raise DataError(f"{path}: holds no cell")
    return {key: _evaluation_of_101(by_epochs, parameters[key]) for key, by_epochs in runs.items()}, records


def _evaluation_of_101(by_epochs: Mapping[int, list[tuple[float, float]]], parameters: int) -> TableEntry:
    proxy, final = by_epochs[min(by_epochs)], by_epochs[max(by_epochs)]
    return TableEntry(
        {
            "accuracy": sum(validation for validation, _ in proxy) / len(proxy),
            "test": sum(test for _, test in final) / len(final),
        },
        # the file counts no MACs; at a fixed skeleton they go with parameters
        {"macs": float(parameters), "parameters": float(parameters)},
        min(by_epochs),
    )


def _cell_of_101(adjacency: str, operations: list[str]) -> Cell | None:
    size = math.isqrt(len(adjacency))
    if size * size != len(adjacency) or size != len(operations):
        raise CellError(f"{len(adjacency)} entries of adjacency for {len(operations)} operations")
    output = size - 1
    links = [(i, j) for i in range(size) for j in range(size) if adjacency[i * size + j] == "1"]
    edges = [(i, j) for i, j in links if j != output]
    feeding, inner = {i for i, j in links if j == output}, {i for i, _ in edges}
    if feeding & inner:
        return None
    cell = Cell.of(operations[1:output], edges)
    return cell if cell.is_pruned and set(cell.leaves) == feeding else None


def _records(path: Path) -> Iterator[bytes]:
    """Yield a TFRecord file's records: length (8 bytes), its checksum (4), the record, its checksum (4)."""
    with path.open("rb") as file:
        while head := file.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else LARGEST_RECORD
            body = file.read(length + 4) if length < LARGEST_RECORD else b""  # a damaged length may ask for any memory
            if len(body) < 4 or len(body) - 4 != length:
                raise DataError(f"{path}: is truncated or damaged")
            yield body[:-4]


def _metrics(message: bytes) -> tuple[float, float, int]:
    """Return validation and test accuracy at the end of training and the number of parameters, from a ModelMetrics
    message. Raises ValueError where they are none, and what its parsing raises.

    Its field 1 repeats evaluations, the last one being the end of training; field 2 counts parameters. In an
    evaluation, field 4 is the validation and field 5 the test accuracy.
    """
    evaluations, parameters = [], 0
    for field, value in _fields(message):
        if field == 1:
            evaluations.append(value)
        elif field == 2:
            parameters = value
    last = dict(_fields(evaluations[-1]))
    shares = (last[4], last[5])
    if not all(isinstance(value, float) and 0 <= value <= 1 for value in shares):
        raise ValueError("an accuracy is no share")
    if not isinstance(parameters, int) or not 0 < parameters < 10**18:
        raise ValueError("the number of parameters is none")
    return *shares, parameters


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a protocol buffer message: variable-length integers, doubles and bytes."""
    position = 0
    while position < len(message):
        tag, position = _integer(message, position)
        kind = tag & 7
        if kind == 0:
            value, position = _integer(message, position)
            yield tag >> 3, value
        elif kind == 1:
            yield tag >> 3, struct.unpack_from("<d", message, position)[0]
            position += 8
        elif kind == 2:
            length, position = _integer(message, position)
            yield tag >> 3, message[position : position + length]
            position += length
        else:
            raise ValueError(f"a field of kind {kind}")


def _integer(message: bytes, position: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise ValueError("an integer of more than 64 bits")
