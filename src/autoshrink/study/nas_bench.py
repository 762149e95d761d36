"""Reading the tabular benchmarks' own formats as cells: NAS-Bench-101's file, NAS-Bench-201's strings, and our keys.

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
    size = path.stat().st_size
    with path.open("rb") as file:
        while head := file.read(12):
            length = struct.unpack("<Q", head[:8])[0] if len(head) == 12 else size
            body = file.read(length + 4) if length < size else b""  # a damaged length may ask for any memory
            if len(body) < 4 or len(body) - 4 != length:
                raise DataError(f"{path}: is truncated")
            yield body[:-4]


def _metrics(message: bytes) -> tuple[float, float, int]:
    """Return validation and test accuracy at the end of training and the number of parameters, from a ModelMetrics
    message.

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
    return last[4], last[5], parameters


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
