"""Tables of evaluations to look up: a made-up table, a CSV file, or NAS-Bench-101's official file."""

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from autoshrink.cells.cell import STAGE, Cell, CellError
from autoshrink.errors import DataError
from autoshrink.files import artifacts
from autoshrink.params.objective import DEVICE
from autoshrink.records.proposal import COUNTED, Fidelity
from autoshrink.search.choices import Choices
from autoshrink.search.space import missing_edges
from autoshrink.study import nas_bench
from autoshrink.study.entries import TableEntry


class Table(Protocol):
    """Where evaluations are looked up. ``operators`` are those of its cells."""

    name: str
    operators: Sequence[str]
    coverage: str
    """What the table holds, in one line."""
    space: Choices | None
    """The table's own space; None: cells, as the project searches them."""
    costs: frozenset[str]
    """The costs that it has of every network, and that limits may therefore bound."""

    def look_up(self, cell: Cell, fidelity: Fidelity | None) -> TableEntry:
        """Return what the table knows of a cell.

        The accuracy of a cell that the table lacks is None, which never wins. Raises DataError when the table knows
        nothing of this fidelity.
        """
        ...


class MadeTable:
    """A made-up landscape over all cells: depth and wide operators help up to a point, parallel branches a little.

    Good for tests and for comparing strategies by the thousand; it says nothing about real data. Training for fewer
    epochs, and looking at an untrained network, gives a noisier and lower accuracy. Test accuracy is validation
    accuracy with other noise.
    """

    name = "made"
    coverage = "the table made: every cell, with made-up accuracies"
    space: Choices | None = None
    costs = frozenset({"macs", "parameters"})
    _EPOCHS = 4

    def __init__(self, operators: Sequence[str]) -> None:
        self.operators = operators
        # operators are worth and cost more, the earlier they are listed
        self._worth = {operator: 1.0 / (1 + index) for index, operator in enumerate(operators)}
        self._known: dict[tuple[str, str], TableEntry] = {}

    def look_up(self, cell: Cell, fidelity: Fidelity | None) -> TableEntry:
        """Return the made-up evaluation of a cell."""
        about = str(sorted(fidelity.to_json().items() if fidelity else []))
        found = self._known.get((cell.key, about))
        if found is None:
            found = self._known[cell.key, about] = self._make(cell, fidelity, about)
        return found

    def _make(self, cell: Cell, fidelity: Fidelity | None, about: str) -> TableEntry:
        depth = {0: 0.0}
        macs = 2e5
        for node, operator in zip(cell.nodes[1:], cell.operators[1:], strict=True):
            sources = cell.predecessors(node)
            depth[node] = max((depth[source] for source in sources), default=0.0) + self._worth.get(operator, 0.0)
            if operator == STAGE:
                continue
            macs += 1e5 * len(sources) * (0.5 + self._worth[operator])
        longest = max(depth.values())
        sound = 0.95 - 0.55 * math.exp(-1.1 * longest) + 0.006 * len(cell.leaves) - 0.002 * len(cell.wires)
        accuracy = min(1.0, sound + 0.012 * (_chance(f"{cell.key}/validation") - 0.5))
        test = min(1.0, sound + 0.012 * (_chance(f"{cell.key}/test") - 0.5))
        costs = {"macs": macs, "parameters": macs / 20}
        if fidelity and fidelity.zero_cost == COUNTED:
            return TableEntry({"accuracy": None}, costs, 0)
        if fidelity and fidelity.zero_cost:
            value = sound + 0.15 * (_chance(f"{cell.key}/{about}") - 0.5)
            return TableEntry({"accuracy": None, fidelity.zero_cost: value}, costs, 0)
        if fidelity and fidelity.edge_tuning:
            gains = {edge: 0.1 * _chance(f"{cell.key}/{edge}") - 0.02 for edge in missing_edges(cell)}
            spent = self._EPOCHS + fidelity.further_epochs
            return TableEntry({"accuracy": accuracy, "test": test}, costs, spent, edge_gains=gains)
        epochs = fidelity.epochs if fidelity and fidelity.epochs else self._EPOCHS
        if epochs < self._EPOCHS:
            accuracy -= 0.25 / epochs - 0.08 * (_chance(f"{cell.key}/{about}") - 0.5)
        return TableEntry({"accuracy": accuracy, "test": test}, costs, epochs)


class FileTable:
    """Evaluations by the cell's key, read from a file."""

    def __init__(
        self,
        name: str,
        evaluations: Mapping[str, TableEntry],
        operators: Sequence[str],
        coverage: str,
        space: Choices | None = None,
    ) -> None:
        self.name, self.operators, self.coverage, self.space = name, operators, coverage, space
        self._evaluations = evaluations
        # a cell that the table lacks is one that nobody can train: no accuracy, and no epochs spent on it
        self.costs = frozenset.intersection(*(frozenset(item.costs) for item in evaluations.values()))
        costs = {key: max(item.costs[key] for item in evaluations.values()) for key in sorted(self.costs)}
        self._missing = TableEntry({"accuracy": None, "test": None}, costs, 0, missing=True)

    def look_up(self, cell: Cell, fidelity: Fidelity | None) -> TableEntry:
        """Return the file's evaluation of a cell; one that it lacks has no accuracy and costs as much as any."""
        found = self._evaluations.get(cell.key, self._missing)
        if fidelity is not None and fidelity.zero_cost == COUNTED:
            return TableEntry({"accuracy": None}, found.costs, 0, found.missing)
        if fidelity is not None:
            raise DataError(
                f"{self.name}: holds full trainings alone, not {fidelity.to_json()}; leave strategies that look first "
                "or score edges (halving, prerank, firefly) out of study.strategies"
            )
        return found


def _coverage(name: str, keys: Iterable[str], rows: Counter[nas_bench.Unmapped | None]) -> str:
    """Say how many rows of a file are cells here, and why the others are not."""
    sizes = sorted({key.count(";") + 2 if key else 1 for key in keys})
    said = f"the table {name}: {rows[None]:,} of {rows.total():,} rows are cells, of {sizes[0]} to {sizes[-1]} nodes"
    others = [f"{count:,} {why}" for why, count in rows.most_common() if why is not None]
    return said + (f"; left out: {', '.join(others)}" if others else "")


def load(source: str, operators: Sequence[str], own: bool = False) -> Table:
    """Return the table that ``source`` names: ``made``, a CSV file, NAS-Bench-101's ``.tfrecord`` file, or
    NAS-Bench-Macro's JSON.

    ``operators`` are those of a made table. ``own`` asks for the table's own space, NAS-Bench-201's or
    NAS-Bench-Macro's, rather than for those of its networks that are cells. Raises DataError, in one line, on a file
    that cannot be read as such.
    """
    if source == "made":
        if own:
            raise DataError("--space own: the made table is of cells; accepted: --space cells")
        return MadeTable(operators)
    path = Path(source)
    accepted = "accepted: made, a .csv file, a .tfrecord file, NAS-Bench-Macro's .json file"
    try:
        with artifacts.opened(path) as file:  # follows links, and refuses a folder, a pipe and a device
            beginning = file.read(2)
    except FileNotFoundError:
        raise DataError(f"--table {source}: there is no such file; {accepted}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"--table {source}: cannot be read ({getattr(error, 'strerror', error)}); {accepted}") from None
    pickled = beginning[:1] == b"\x80" and path.suffix != ".tfrecord"
    if pickled or any(suffix in _PICKLES for suffix in path.suffixes):
        raise DataError(
            f"--table {source}: is a pickle, which could run any program and is never opened; write its cells and "
            "accuracies to a .csv file"
        )
    if path.suffix not in (".csv", ".tfrecord", ".json"):
        raise DataError(f"--table {source}: is neither a .csv, a .tfrecord nor a .json file; {accepted}")
    space: Choices | None = None
    rows: Counter[nas_bench.Unmapped | None] = Counter()
    if path.suffix == ".json":
        if not own:
            raise DataError(
                f"--table {source}: NAS-Bench-Macro's networks are a choice per layer and no cells; "
                "accepted: --space own"
            )
        evaluations, space = nas_bench.read_macro(path), nas_bench.MACRO
    elif path.suffix == ".tfrecord":
        if own:
            raise DataError(f"--table {source}: NAS-Bench-101's graphs are searched as cells; accepted: --space cells")
        evaluations, rows = nas_bench.read_101(path)
    else:
        evaluations, rows = _read_csv(path, own)
        space = nas_bench.NAS_201 if own else None
    if space is not None:
        said = (
            f"the table {path.name}: {len(evaluations):,} of the {len(space.options) ** space.size:,} networks of its "
            f"own space, {space.size} places with one of {len(space.options)} operators each"
        )
        return FileTable(path.name, evaluations, space.options, said, space)
    found = {word.split("(")[0] for key in evaluations for word in key.split(";") if word}
    return FileTable(path.name, evaluations, sorted(found), _coverage(path.name, evaluations, rows))


# also compressed, as NATS-Bench's .pickle.pbz2 is
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".pbz2", ".npy", ".npz", ".joblib", ".dill")


def _read_csv(path: Path, own: bool) -> tuple[dict[str, TableEntry], Counter[nas_bench.Unmapped | None]]:
    """Read a CSV file with the columns cell and accuracy, and optionally test, macs, parameters and epochs.

    ``cell`` is a key as this package writes it, ``conv_1x1(0);conv_3x3(0,1)``, or a NAS-Bench-201 string,
    ``|nor_conv_3x3~0|+|none~0|skip_connect~1|+...``; accuracies are shares or per cent. Rows of isomorphic cells are
    averaged. Rows are counted by why they are no cell, None where they are. With ``own`` every row must be a string of
    NAS-Bench-201, and is read as a network of its own space.
    """
    seen: Counter[nas_bench.Unmapped | None] = Counter()
    rows: dict[str, list[dict[str, float | None]]] = {}
    line = 1
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or [])
            if not {"cell", "accuracy"} <= set(columns):
                found = ", ".join(map(repr, columns[:8])) or "none"
                raise DataError(f"{path}: needs the columns cell and accuracy, found {found[:200]}")
            line = reader.line_num + 1
            for row in reader:
                line = reader.line_num
                try:
                    cell = nas_bench.choices_of_201(row["cell"] or "") if own else _cell(row["cell"] or "")
                    numbers = {name: _number(name, row[name]) if row.get(name) else None for name in _COLUMNS}
                    seen[None if isinstance(cell, Cell) else cell] += 1
                    if isinstance(cell, Cell):
                        rows.setdefault(cell.key, []).append(numbers)
                except (CellError, ValueError) as error:
                    raise DataError(f"{path}, line {line}: {_short(error)}") from None
                line += 1
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text ({error.reason} at byte {error.start})") from None
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: is no CSV ({error})") from None
    if not rows:
        others = ", ".join(f"{count:,} {why}" for why, count in seen.most_common())
        raise DataError(f"{path}: holds no cell" + (f": {others}" if others else ""))
    # accuracies are all in [0, 1] or all in per cent: in per cent, chance on 120 classes is below 1 too
    shares = [row[name] for same in rows.values() for row in same for name in ("accuracy", "test")]
    scale = 100.0 if any(value is not None and value > 1 for value in shares) else 1.0
    return {key: _entry(key, same, scale) for key, same in rows.items()}, seen


_COLUMNS = ("accuracy", "test", "macs", "parameters", "epochs", *DEVICE)


def _number(name: str, text: str) -> float:
    """Return a column's number. Raises ValueError where it is none, or one that cannot be."""
    value = float(text)
    least, most = (0.0, 100.0) if name in ("accuracy", "test") else (0.0, 1e18)
    if not least <= value <= most:
        raise ValueError(f"{name} {text}: expected a number from {least:g} to {most:g}")
    return value


def _short(error: Exception) -> str:
    """Return what an error says on one line of bounded length: it may repeat a whole row."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"{text[:120]} ... {text[-70:]}"


def _cell(text: str) -> Cell | nas_bench.Unmapped:
    return nas_bench.cell_of_201(text) if text.startswith("|") else nas_bench.cell_of_key(text)


def _entry(key: str, same: Sequence[Mapping[str, float | None]], scale: float) -> TableEntry:
    def mean(name: str) -> float | None:
        values = [row[name] for row in same]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    def share(name: str) -> float | None:
        value = mean(name)
        return None if value is None else value / scale

    # where the file has no costs every edge counts one, so that the objective still prefers smaller cells
    edges = float(max(1, key.count(",") + key.count("(")))
    costs = {"macs": mean("macs") or 1e6 * edges, "parameters": mean("parameters") or 1e4 * edges}
    costs |= {name: value for name in DEVICE if (value := mean(name)) is not None}
    return TableEntry({"accuracy": share("accuracy"), "test": share("test")}, costs, round(mean("epochs") or 1))


def _chance(text: str) -> float:
    """Return a number in [0, 1) that only ``text`` decides."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48
