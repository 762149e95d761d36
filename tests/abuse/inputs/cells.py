"""Bad cells, and files that hold none."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autoshrink.cells.cell import INPUT, Cell
from autoshrink.files import artifacts
from tests.abuse.inputs.cases import Case, Make


def cell(value: Any, kind: str = "cell") -> Make:
    """Return the mistake of a sealed file of this kind that holds this for a cell."""

    def make(folder: Path) -> Sequence[str]:
        artifacts.write_sealed(folder / "cell.json", kind, 1, {"cell": value, "state": {"cell": value}})
        return ["cost", "--preset", "paper", "--cell", "cell.json"]

    return make


def cell_file(content: bytes) -> Make:
    """Return the mistake of a cell file with these bytes."""

    def make(folder: Path) -> Sequence[str]:
        (folder / "cell.json").write_bytes(content)
        return ["cost", "--preset", "paper", "--cell", "cell.json"]

    return make


def described(operators: Sequence[str], edges: Sequence[Sequence[Any]], first: str = INPUT) -> dict[str, Any]:
    """Return a cell's JSON, right or wrong."""
    names = [first, *operators]
    return {"nodes": [{"id": node, "operator": name} for node, name in enumerate(names)], "edges": [*map(list, edges)]}


def cells() -> Iterator[tuple[str, Case]]:
    """Cells that are none, and files that hold none."""
    one = ["conv_1x1"]
    whole = Cell.complete(["conv_1x1", "conv_1x1"])
    wrong: dict[str, tuple[Any, str]] = {
        "null": (None, "not a cell|holds no cell"),
        "a number": (3, "not a cell"),
        "a list": ([], "not a cell"),
        "no nodes": ({"nodes": [], "edges": []}, "starts with node 0"),
        "no edges": ({"nodes": []}, "not a cell"),
        "no input": (described(one, [(0, 1)], "conv_1x1"), "starts with node 0"),
        "two inputs": (described([INPUT], [(0, 1)]), "only node 0"),
        "a cycle": (described([*one, *one], [(0, 1), (1, 2), (2, 1)]), "goes backwards"),
        "a loop": (described(one, [(0, 1), (1, 1)]), "goes backwards"),
        "an edge to nowhere": (described(one, [(0, 1), (0, 5)]), "touches a node that the cell lacks"),
        "an edge twice": (described(one, [(0, 1), (0, 1)]), "without repetition"),
        "an edge of three": (described(one, [(0, 1, 2)]), "not a cell"),
        "an edge of text": (described(one, [("0", "1")]), "not a cell"),
        "an edge of floats": (described(one, [(0.0, 1.0)]), "not a cell"),
        "an edge of booleans": (described(one, [(False, True)]), "not a cell"),
        "an unconnected node": (described([*one, *one], [(0, 1)]), "no path leads from node 0 to node 2"),
        "an unconnected pair": (described([*one, *one, *one], [(0, 1), (2, 3)]), "no path leads from node 0"),
        "an unknown operator": (described(["conv_9x9"], [(0, 1)]), "conv_9x9"),
        "operators of both tasks": (described(["conv_1x1", "relu"], [(0, 1), (1, 2)]), "conv_1x1|relu"),
        "an operator that forges a key": (described(["relu(0);tanh"], [(0, 1)]), "is no name"),
        "an operator that is empty": (described([""], [(0, 1)]), "is no name"),
        "65 nodes": (described(one * 64, [(node, node + 1) for node in range(64)]), "accepted: at most 64"),
        "100,000 nodes": (described(one * 100_000, []), "accepted: at most 64"),
        "descending nodes": ({"nodes": list(reversed(whole.to_json()["nodes"])), "edges": []}, "starts with|ascend"),
        "a node without operator": ({"nodes": [{"id": 0}], "edges": []}, "not a cell"),
        "a node of text": ({"nodes": ["0"], "edges": []}, "not a cell"),
    }
    for name, (value, says) in wrong.items():
        yield f"cell: {name}", Case(cell(value), f"cell\\.json.*({says})|{says}")
    for kind in ("best", "round"):
        for name in ("null", "a number", "a cycle", "an unconnected node"):
            yield f"{kind}: {name}", Case(cell(wrong[name][0], kind), "cell\\.json")
    for kind in ("model", "metrics", "dataset", "timing", "nonsense"):
        yield f"a {kind} as a cell", Case(cell(whole.to_json(), kind), "holds no cell|cell\\.json")
    sealed = artifacts.sealed_bytes("cell", 1, {"cell": whole.to_json()})
    raw: dict[str, bytes] = {
        "empty": b"",
        "text": b"hello",
        "half": sealed[: len(sealed) // 2],
        "a flipped byte": sealed.replace(b"conv", b"konv", 1),
        "another version": artifacts.sealed_bytes("cell", 9, {"cell": whole.to_json()}),
        "unsealed": json.dumps({"kind": "cell", "version": 1, "cell": whole.to_json()}).encode(),
        "deep": b"[" * 100_000,
        "deep mappings": b'{"a":' * 100_000,
        "binary": bytes(range(256)),
        "NaN": b'{"kind": "cell", "version": 1, "cell": NaN}',
        "a huge number": b'{"kind": "cell", "version": ' + b"9" * 10_000 + b"}",
        "half a surrogate": b'{"kind": "cell", "version": 1, "x": "\\ud800"}',
        "a list": b"[]",
        "null": b"null",
    }
    for name, content in raw.items():
        yield f"cell file: {name}", Case(cell_file(content), "cell\\.json")
    for name in ("shrinkcn-a", "shrinkcnn-z", "", "/", "/dev/zero", "nowhere.json", "../..", "--help me"):
        yield (
            f"--cell {name!r}",
            Case(lambda folder, name=name: ["cost", f"--cell={name}"], "neither a file nor a released"),
        )
