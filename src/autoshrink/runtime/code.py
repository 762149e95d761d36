"""Digest of the code behind a result: of the definitions that a function reaches, and no others.

From each root the names that a definition uses are followed, module by module, without importing anything; the types of
its objects are known from their annotations. Comments, docstrings, formatting, annotations and the wording of errors
change nothing, nor does an unrelated definition in the same file. What states parameters, writes records or talks to
people is left out: the values of parameters stand in a result's identity themselves.
"""

import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# packages whose code changes no number: values of parameters are digested as such, files are checked by their digests
LEFT_OUT = tuple(
    f"autoshrink.{package}"
    for package in ("params", "errors", "files", "lineage", "cli", "workflow", "runtime.code", "tasks.code")
)
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class Module:
    """A parsed module: what each of its names is defined by, and what it imports (module and name there)."""

    name: str
    definitions: dict[str, list[ast.stmt]] = field(default_factory=lambda: defaultdict(list))
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)


@cache
def digest(*roots: str) -> str:
    """Return the sha256 of the code reached from ``roots``, such as ``package.module:Class.method`` or a whole
    ``package.module``. Raises ValueError for a root that is not there.
    """
    return hashlib.sha256("\n".join(reached(*roots)).encode()).hexdigest()


@cache
def reached(*roots: str) -> tuple[str, ...]:
    """Return a line per definition that is reached, sorted: its module, its name and its digest."""
    packages = {"autoshrink", *(root.partition(":")[0].partition(".")[0] for root in roots)}
    waiting = [_root(root) for root in roots]
    found: dict[tuple[str, str], str] = {}
    while waiting:
        name, definition = waiting.pop()
        if (name, definition) in found or name.startswith(LEFT_OUT) or name.partition(".")[0] not in packages:
            continue
        module = _parsed(name)
        if definition == "*":
            found[name, "*"] = ""
            waiting += [(name, each) for each in module.definitions]
            continue
        outer = definition.partition(".")[0]
        if outer in module.imports:  # handed on, as by a package's __init__
            target, there = module.imports[outer]
            waiting.append((target, there or "*"))
            continue
        found[name, definition], uses = _read(name, definition)
        waiting += uses
    return tuple(sorted(f"{name} {definition} {text}" for (name, definition), text in found.items()))


@cache
def _read(name: str, definition: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return a definition's digest, and the (module, definition) that it uses."""
    module = _parsed(name)
    outer, _, inner = definition.partition(".")
    nodes: Sequence[ast.stmt] = module.definitions.get(outer, ())
    if inner:
        nodes = [each for each in _bodies(nodes) if getattr(each, "name", None) == inner]
    text = hashlib.sha256("".join(_text(node) for node in nodes).encode()).hexdigest()
    return text, tuple(dict.fromkeys(target for node in nodes for target in _used(node, module)))


def _root(root: str) -> tuple[str, str]:
    name, _, definition = root.partition(":")
    outer, _, inner = definition.partition(".")
    if not _is_module(name):
        raise ValueError(f"{root}: there is no such module")
    if definition:
        nodes = _parsed(name).definitions.get(outer, [])
        if not nodes or (inner and not any(getattr(each, "name", None) == inner for each in _bodies(nodes))):
            raise ValueError(f"{root}: there is no such definition")
    return name, definition or "*"


def _bodies(nodes: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for node in nodes:
        yield from getattr(node, "body", ())


@cache
def _file(name: str) -> Path | None:
    """Return a module's source; nothing is imported but its topmost package."""
    top, *inner = name.split(".")
    found = find_spec(top) if top.isidentifier() else None
    if found is not None and not found.submodule_search_locations and not inner and found.has_location:
        return Path(str(found.origin))  # a module without a package, as a user's own may be
    if found is None or not found.submodule_search_locations:
        return None
    base = Path(found.submodule_search_locations[0], *inner)
    return next((file for file in (base / "__init__.py", base.with_suffix(".py")) if file.is_file()), None)


def _is_module(name: str) -> bool:
    return _file(name) is not None


@cache
def _parsed(name: str) -> Module:
    file = _file(name)
    assert file is not None
    module = Module(name)
    for node in _statements(ast.parse(file.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module.imports.update(_imported(node, name))
        for bound in _bound(node):
            module.definitions[bound].append(node)
    return module


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield a module's statements, those in its top-level conditions included."""
    for node in body:
        if isinstance(node, ast.If):
            yield from _statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from _statements([*node.body, *(each for handler in node.handlers for each in handler.body)])
        else:
            yield node


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, DEFINITIONS):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return []
    if isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant):
        return ["*effects"]  # a call at import, such as a registration
    return [each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)]


def _imported(node: ast.Import | ast.ImportFrom, name: str) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """Yield what a statement binds: a module, or a name in one."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, (alias.name, None)
            else:
                yield alias.name.partition(".")[0], (alias.name, None)
        return
    base = node.module or ""
    if node.level:
        package = name if _is_package(name) else name.rpartition(".")[0]
        base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], *([base] if base else [])])
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        is_ours = base.partition(".")[0] == name.partition(".")[0]
        yield alias.asname or alias.name, (inner, None) if is_ours and _is_module(inner) else (base, alias.name)


def _is_package(name: str) -> bool:
    file = _file(name)
    return file is not None and file.name == "__init__.py"


def _used(node: ast.stmt, module: Module) -> Iterator[tuple[str, str]]:
    """Yield the (module, definition) that a definition's code names; annotations tell the types of its objects."""
    own = ast.parse(ast.unparse(node))
    for each in list(ast.walk(own)):
        for quoted in (getattr(each, name, None) for name in ("annotation", "returns")):
            for text in ast.walk(quoted) if isinstance(quoted, ast.AST) else ():
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    own.body += ast.parse(text.value).body
    imports = dict(module.imports)
    for each in ast.walk(own):
        if isinstance(each, ast.Import | ast.ImportFrom):
            imports.update(_imported(each, module.name))
    through: set[int] = set()  # names that stand before a dot: of a module they mean one definition, not all
    yield module.name, "*effects"
    for each in ast.walk(own):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in imports:
            target, there = imports[each.value.id]
            if there is None:
                through.add(id(each.value))
                yield (f"{target}.{each.attr}", "*") if _is_ours(f"{target}.{each.attr}") else (target, each.attr)
    for each in ast.walk(own):
        if isinstance(each, ast.Name) and id(each) not in through:
            if each.id in imports:
                target, there = imports[each.id]
                yield target, there or "*"
            elif each.id in module.definitions:
                yield module.name, each.id
        elif isinstance(each, ast.Constant) and isinstance(each.value, str) and _is_ours(each.value):
            yield each.value, "*"  # imported by its name, as a registry does


def _is_ours(name: str) -> bool:
    return name.startswith("autoshrink.") and name.replace(".", "").isidentifier() and _is_module(name)


class _Bare(ast.NodeTransformer):
    """Takes away what changes no result: docstrings, annotations and the words of errors."""

    def _without_docstring(self, node: ast.AST) -> ast.AST:
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [  # type: ignore[attr-defined]
                each for each in body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            ]
        return self.generic_visit(node)

    visit_Module = visit_ClassDef = _without_docstring

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        for each in ast.walk(node):
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                each.value = ""
        return self.generic_visit(node)


def _text(node: ast.stmt) -> str:
    """Return a definition's meaning as text: node by node, equally under every version of Python that we run on."""
    return _dumped(_Bare().visit(ast.parse(ast.unparse(node))))


def _dumped(value: object) -> str:
    if isinstance(value, ast.AST):
        parts = ((name, part) for name, part in ast.iter_fields(value) if part not in (None, []) or name == "value")
        fields = ",".join(f"{name}={_dumped(part)}" for name, part in parts if name not in ("ctx", "kind"))
        return f"{type(value).__name__}({fields})"
    if isinstance(value, list):
        return f"[{','.join(_dumped(each) for each in value)}]"
    return repr(value)
