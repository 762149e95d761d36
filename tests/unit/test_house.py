"""The structure that docs/explanation/design.md draws: which package may import which, and no code in two places."""

import ast
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

SOURCE = Path(__file__).parents[2] / "src"
ROOT = SOURCE / "autoshrink"

# lowest first: a package imports from floors below its own, and never from its own floor's other packages
FLOORS = (
    {"errors"},
    {"files"},
    {"params"},
    {"cells", "runtime"},
    {"records"},
    {"costs", "training"},
    {"tasks"},
    {"tasks.vision", "tasks.language"},
    {"search"},
    {"workflow"},
    {"lineage"},
    {"evaluation", "planner"},
    {"inference", "study"},
    {"evidence"},
    {"report"},
    {"export"},
    {"cli"},
    {"__main__"},
)
SHARED_LINES = 12


def module_name(file: Path) -> str:
    """Return a file's module name, such as autoshrink.cells.cell."""
    return ".".join(("autoshrink", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_name(file): file for file in sorted(ROOT.rglob("*.py"))}


def package(module: str) -> str:
    """Return the package of a module as FLOORS names it; the root package itself is ''."""
    parts = module.split(".")[1:]
    deep = parts[:2] == ["tasks", "vision"] or parts[:2] == ["tasks", "language"]
    return ".".join(parts[: 2 if deep else 1])


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node but those that only a type checker reads."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def imports(file: Path) -> Iterator[str]:
    """Yield the modules of this project that a file imports, also inside functions."""
    for node in statements(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            full = [f"{node.module}.{name.name}" for name in node.names]
            yield from (name if name in MODULES else node.module for name in full)


@pytest.fixture(scope="module")
def graph() -> nx.DiGraph:
    """The imports between modules; what the root package re-exports lazily is none."""
    return nx.DiGraph([(name, other) for name, file in MODULES.items() for other in imports(file) if name != other])


def test_no_import_cycle(graph: nx.DiGraph) -> None:
    """No modules import each other, and no packages do."""
    packages = nx.DiGraph(
        (package(one), package(other)) for one, other in graph.edges if package(one) != package(other)
    )
    for arrows in (graph, packages):
        assert [sorted(cycle) for cycle in nx.strongly_connected_components(arrows) if len(cycle) > 1] == []


def test_imports_run_downwards(graph: nx.DiGraph) -> None:
    """Every import between packages leads to a lower floor."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    known = {package(name) for name in MODULES} - {""}
    assert known <= set(floor), "a package without a floor: add it to FLOORS and to docs/explanation/design.md"
    upwards = [
        f"{one} -> {other}"
        for one, other in graph.edges
        if package(one) and package(other) and package(one) != package(other)
        if floor[package(one)] <= floor[package(other)]
    ]
    assert upwards == []


def test_planning_and_reading_need_no_torch() -> None:
    """Cells, parameters, the search, the plan of a run, report and study never import torch."""
    users = [
        name
        for name, file in MODULES.items()
        for node in statements(ast.parse(file.read_text(encoding="utf-8")))
        if package(name) in {"errors", "params", "cells", "search", "workflow", "report", "study"}
        if (isinstance(node, ast.Import) and any(item.name.split(".")[0] == "torch" for item in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch")
    ]
    assert users == []


def code_lines(file: Path) -> list[tuple[int, str]]:
    """Return a file's lines with their numbers, less blank ones, comments and imports."""
    text = file.read_text(encoding="utf-8")
    left_out: set[int] = set()
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if number not in left_out]
    return [(number, line) for number, line in lines if line and not line.startswith(("#", "//"))]


def test_no_two_places_share_twelve_lines() -> None:
    """Code that two places need stands once."""
    seen: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for file in sorted(itertools.chain(SOURCE.rglob("*.py"), SOURCE.rglob("*.js"), SOURCE.rglob("*.css"))):
        lines = code_lines(file)
        for start in range(len(lines) - SHARED_LINES + 1):
            block = lines[start : start + SHARED_LINES]
            seen[tuple(line for _, line in block)].append(f"{file.relative_to(SOURCE)}:{block[0][0]}")
    assert [places for places in seen.values() if len(places) > 1] == []


def test_untyped_json_has_one_name() -> None:
    """A dictionary of anything is a JSON document at its reader or writer, and is called Json; the rest has types."""
    users = [str(file.relative_to(SOURCE)) for file in SOURCE.rglob("*.py") if "dict[str, Any]" in file.read_text()]
    assert users == ["autoshrink/files/artifacts.py"]
