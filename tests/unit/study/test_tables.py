"""Tables of evaluations: made up, CSV, NAS-Bench-101's file and NAS-Bench-201's strings."""

import base64
import itertools
import json
import os
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest import approx

from autoshrink.cells.cell import Cell, CellError
from autoshrink.errors import DataError
from autoshrink.records.proposal import Fidelity
from autoshrink.study import macro as macro_networks
from autoshrink.study import nas_bench, tables
from autoshrink.study.entries import TableEntry

CHAIN = Cell.of(["conv_1x1", "conv_3x3"], [(0, 1), (1, 2)])


def test_keys_are_read_back() -> None:
    """A cell's key names the cell."""
    for cell in (CHAIN, Cell.complete(["conv_1x1", "conv_3x3", "conv_1x1"]), Cell.of([], [])):
        assert nas_bench.cell_of_key(cell.key).key == cell.key
    for text in ("conv", "conv(0;1)", "conv(0)x", "conv(1)"):
        with pytest.raises(CellError):
            nas_bench.cell_of_key(text)


def test_a_csv_of_keys(tmp_path: Path) -> None:
    """Per cent become shares, rows of isomorphic cells are averaged, unknown cells have no accuracy."""
    path = tmp_path / "table.csv"
    path.write_text(
        "cell,accuracy,test,macs,epochs\n"
        "conv_1x1(0);conv_3x3(1),90,80,1000,12\n"
        "conv_1x1(0);conv_3x3(1),92,82,1000,12\n"
        '"conv_1x1(0);conv_3x3(0,1)",50,,3000,12\n'
    )
    table = tables.load(str(path), [])
    assert table.operators == ["conv_1x1", "conv_3x3"]
    found = table.look_up(CHAIN, None)
    assert found.metrics == {"accuracy": approx(0.91), "test": approx(0.81)}
    assert (found.costs["macs"], found.epochs) == (1000, 12)
    missing = table.look_up(Cell.of(["conv_1x1"], [(0, 1)]), None)
    assert missing.metrics["accuracy"] is None and missing.epochs == 0
    with pytest.raises(DataError, match=r"table\.csv: holds full trainings alone"):
        table.look_up(CHAIN, Fidelity(epochs=1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key,value\na,1\n", "needs the columns cell and accuracy"),
        ("cell,accuracy\nconv,90\n", "line 2: 'conv' is no operator"),
        ("cell,accuracy\nconv(0),much\n", "line 2: could not convert"),
        ("cell,accuracy\n", "holds no cell"),
        ("cell,accuracy\nconv(0),nan\n", "line 2: accuracy nan: expected a number from 0 to 100"),
        ("cell,accuracy\nconv(0),101\n", "line 2: accuracy 101: expected"),
        ("cell,accuracy,epochs\nconv(0),9,inf\n", "line 2: epochs inf: expected"),
        ("cell,accuracy\n" + "a(0);" * 99 + "a(0),9\n", "line 2: a cell of 101 nodes; accepted: at most 64"),
        (f"cell,accuracy\n{'a' * 200_000},9\n", "line 2: is no CSV"),
    ],
)
def test_a_bad_csv_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake is told with the file and the line."""
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        tables.load(str(tmp_path / "bad.csv"), [])
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="there is no such file; accepted: made"):
        tables.load(str(tmp_path / "none.csv"), [])


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"conv(0)": 0.9}))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("table.pkl", pickled, "table.pkl: is a pickle, which could run any program"),
        ("table.csv", pickled, "table.csv: is a pickle"),
        ("nats.pickle.pbz2", lambda path: path.write_bytes(b"BZh9"), "nats.pickle.pbz2: is a pickle"),
        ("table.csv", Path.mkdir, "table.csv: cannot be read .Is a directory.; accepted: made"),
        ("table.csv", os.mkfifo, "table.csv: cannot be read .is a pipe"),
        (
            "table.json",
            lambda path: path.write_text("[1]" * 400_000),
            "NAS-Bench-Macro.* no cells; accepted: --space own",
        ),
        ("table.csv", lambda path: path.write_text("[1]" * 400_000), "line 1: is no CSV"),
        ("table.csv", lambda path: path.write_bytes(b"cell,accuracy\n\xff"), "is no UTF-8 text"),
        ("table.tfrecord", lambda path: path.write_bytes(struct.pack("<Q", 2**62) + bytes(99)), "is truncated"),
    ],
)
def test_what_is_no_table_is_refused_by_name(
    name: str, make: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    """A pickle is not opened, a folder, a pipe and other files are one line, and a damaged length asks no memory."""
    make(tmp_path / name)
    with pytest.raises(DataError, match=message) as caught:
        tables.load(str(tmp_path / name), [])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from([".csv", ".tfrecord"]),
    content=st.binary(max_size=200)
    | st.text(alphabet='conv(0,1);|~+"\n\0 é', max_size=80).map(lambda text: f"cell,accuracy\n{text}".encode())
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=6), max_leaves=12
    ).map(lambda value: framed(json.dumps(value).encode()))
    | st.binary(max_size=60).map(
        lambda body: framed(json.dumps(["", 4, "010001000", "a,b,c", base64.b64encode(body).decode()]).encode())
    ),
)
def test_any_bytes_are_a_table_or_one_line(suffix: str, content: bytes, tmp_path: Path) -> None:
    """Whatever a file holds, it is read as a table or refused in a line that names it."""
    path = tmp_path / f"table{suffix}"
    path.write_bytes(content)
    try:
        tables.load(str(path), [])
    except DataError as error:
        assert "table" in str(error) and "\n" not in str(error)


def is_a_number(entry: TableEntry) -> bool:
    """Return whether an entry's accuracies are shares, or not known, and its costs positive numbers."""
    shares = [value for value in entry.metrics.values() if value is not None]
    return all(0 <= value <= 1 for value in shares) and all(0 < value < 1e19 for value in entry.costs.values())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_benchmark_is_its_numbers_or_one_line(data: st.DataObject, tmp_path: Path) -> None:
    """NAS-Bench-101's and NAS-Bench-Macro's own files with bytes changed, cut or put in: no number is odd then."""
    record = _record(4, "010001000", "input,conv3x3-bn-relu,output", 0.6, 0.5)
    macro_like = macro(
        test_acc=data.draw(st.lists(st.floats() | st.integers(-1, 101) | st.text(max_size=2), max_size=3))
    )
    name, whole = data.draw(st.sampled_from([("101.tfrecord", record), ("macro.json", macro_like.encode())]))
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    if name == "101.tfrecord" and data.draw(st.booleans()):  # the protocol buffer within, its frame whole
        message = bytearray(_message(0.6, 0.5))
        for _ in range(data.draw(st.integers(1, 3))):
            message[data.draw(st.integers(0, len(message) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        body = ["hash", 4, "010001000", "input,conv3x3-bn-relu,output", base64.b64encode(message).decode()]
        content = bytearray(framed(json.dumps(body).encode()))
    path = tmp_path / name
    path.write_bytes(content)
    try:
        table = tables.load(str(path), [], own=name.endswith(".json"))
    except DataError as error:
        assert name in str(error) and "\n" not in str(error) and len(str(error)) < 500
    else:
        assert isinstance(table, tables.FileTable)
        assert all(is_a_number(entry) for entry in table._evaluations.values())


def framed(body: bytes) -> bytes:
    """Return a TFRecord of this body."""
    return struct.pack("<Q", len(body)) + b"\0\0\0\0" + body + b"\0\0\0\0"


def test_nas_bench_201_strings() -> None:
    """Edges into a node carry its operator; what is none of our cells is left out."""
    text = "|conv~0|+|none~0|skip~1|+|conv~0|conv~1|none~2|"
    found = nas_bench.cell_of_201("|conv~0|+|none~0|none~1|+|conv~0|conv~1|none~2|")
    assert isinstance(found, Cell) and found.key == Cell.of(["conv", "conv"], [(0, 1), (0, 2), (1, 2)]).key
    nowhere, mixed, empty = text, "|conv~0|+|none~0|none~1|+|conv~0|skip~1|none~2|", "|none~0|+|none~0|none~1|"
    assert nas_bench.cell_of_201(nowhere) is nas_bench.Unmapped.DEAD_END, "node 2 is no output there"
    assert nas_bench.cell_of_201(mixed) is nas_bench.Unmapped.MIXED
    assert nas_bench.cell_of_201(empty) is nas_bench.Unmapped.NOTHING
    for bad in ("|conv|", "|conv~1|", "conv~x"):
        with pytest.raises(CellError, match="is no NAS-Bench-201 string"):
            nas_bench.cell_of_201(bad)


def test_all_of_nas_bench_201_says_what_maps(tmp_path: Path) -> None:
    """Of its 15,625 strings 912 are cells; the line says so, and why the others are not; they add up."""
    operators = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    strings = [
        f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|" for a, b, c, d, e, f in itertools.product(operators, repeat=6)
    ]
    path = tmp_path / "nas201.csv"
    path.write_text("cell,accuracy\n" + "".join(f"{text},90\n" for text in strings))
    said = tables.load(str(path), []).coverage
    assert said.startswith("the table nas201.csv: 912 of 15,625 rows are cells, of 2 to 4 nodes; left out: ")
    counts = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d(?= with )", said)]
    assert sum(counts) == 15_625 - 912 and len(counts) == 3


def _field(number: int, value: float | int | bytes) -> bytes:
    if isinstance(value, float):
        return bytes([number << 3 | 1]) + struct.pack("<d", value)
    if isinstance(value, int):
        coded = b""
        while value >= 0x80:
            coded += bytes([value & 0x7F | 0x80])
            value >>= 7
        return bytes([number << 3]) + coded + bytes([value])
    return bytes([number << 3 | 2]) + _field(0, len(value))[1:] + value


def _message(validation: float, test: float) -> bytes:
    """Return the metrics of a training as NAS-Bench-101 has them, a protocol buffer."""
    evaluations = [
        b"".join(_field(n, v) for n, v in ((1, 4.0), (2, 1.0), (3, 0.5), (4, v4), (5, v5), (6, b"path")))
        for v4, v5 in ((0.1, 0.1), (validation / 2, test / 2), (validation, test))
    ]
    return b"".join(_field(1, evaluation) for evaluation in evaluations) + _field(2, 300_000) + _field(3, 9.5)


def _record(epochs: int, adjacency: str, operations: str, validation: float, test: float) -> bytes:
    """Return a record as NAS-Bench-101's file has it: checksums (not looked at) and JSON."""
    metrics = base64.b64encode(_message(validation, test)).decode()
    return framed(json.dumps(["hash", epochs, adjacency, operations, metrics]).encode())


def test_nas_bench_101s_file(tmp_path: Path) -> None:
    """Runs are averaged, the fewest epochs are the proxy, the most the final training; other graphs are left out."""
    path = tmp_path / "nasbench.tfrecord"
    chain, skip = "0100001000010000", "0101001000010000"  # input-a-b-output; the same with the input feeding the output
    path.write_bytes(
        _record(4, chain, "input,conv3x3-bn-relu,maxpool3x3,output", 0.6, 0.5)
        + _record(4, chain, "input,conv3x3-bn-relu,maxpool3x3,output", 0.8, 0.7)
        + _record(108, chain, "input,conv3x3-bn-relu,maxpool3x3,output", 0.9, 0.85)
        + _record(108, skip, "input,conv3x3-bn-relu,maxpool3x3,output", 0.99, 0.99)
    )
    table = tables.load(str(path), [])
    assert table.operators == ["conv3x3-bn-relu", "maxpool3x3"]
    assert "3 of 4 rows are cells" in table.coverage and "1 with a node that feeds both" in table.coverage
    found = table.look_up(Cell.of(["conv3x3-bn-relu", "maxpool3x3"], [(0, 1), (1, 2)]), None)
    assert found.metrics == {"accuracy": approx(0.7), "test": approx(0.85)}
    assert (found.costs["parameters"], found.epochs) == (300_000, 4)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="is truncated"):
        tables.load(str(path), [])
    path.write_bytes(struct.pack("<Q", 4) + b"\0\0\0\0nope\0\0\0\0")
    with pytest.raises(DataError, match="a record is not NAS-Bench-101's"):
        tables.load(str(path), [])


def test_the_made_table_is_a_function_of_the_cell() -> None:
    """Isomorphic cells have one evaluation; more epochs are better on average; untrained ones have no accuracy."""
    table = tables.MadeTable(["conv_1x1", "conv_3x3"])
    twin = Cell((0, 3, 7), CHAIN.operators, ((0, 3), (3, 7)))
    assert table.look_up(CHAIN, None) == table.look_up(twin, None)
    full, brief = table.look_up(CHAIN, None).metrics, table.look_up(CHAIN, Fidelity(epochs=1)).metrics
    assert brief["accuracy"] < full["accuracy"]
    untrained = table.look_up(CHAIN, Fidelity(zero_cost="naswot"))
    assert untrained.metrics["accuracy"] is None and "naswot" in untrained.metrics and untrained.epochs == 0


OPERATORS_201 = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def all_of_201() -> list[str]:
    """Return the strings of all networks of NAS-Bench-201."""
    return [
        f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|" for a, b, c, d, e, f in itertools.product(OPERATORS_201, repeat=6)
    ]


def test_every_string_of_nas_bench_201_is_a_network_of_its_own_space() -> None:
    """All 15,625 are read, no two as the same, and each gives its six operators back."""
    sampled = all_of_201()[::25]
    keys = {nas_bench.choices_of_201(text).key for text in sampled}
    assert len(keys) == len(sampled)
    cell = nas_bench.choices_of_201("|nor_conv_1x1~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|")
    assert nas_bench.NAS_201.chosen(cell) == {
        (0, 1): "nor_conv_1x1",
        (1, 2): "skip_connect",
        (0, 3): "avg_pool_3x3",
        (2, 3): "nor_conv_3x3",
    }
    assert nas_bench.NAS_201.cell(nas_bench.NAS_201.chosen(cell)) == cell
    for bad in ("|none~0|", "conv(0)", "|none~0|+|none~1|none~0|+|none~0|none~1|none~2|", "|conv~0|+|none~0|none~1|"):
        with pytest.raises(CellError, match="six edges"):
            nas_bench.choices_of_201(bad)
    with pytest.raises(CellError, match="'conv' is no operator of NAS-Bench-201"):
        nas_bench.choices_of_201("|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|")


def macro(**changed: object) -> str:
    """Return NAS-Bench-Macro's JSON of two networks."""
    row = {"test_acc": [90.0, 91.0, 92.0], "mean_acc": 91.0, "std": 0.8, "params": 1000, "flops": 5000, **changed}
    return json.dumps({"01201200": row, "00000000": {**row, "test_acc": [80.0, 80.0]}})


def test_nas_bench_macro_is_searched_in_its_own_space(tmp_path: Path) -> None:
    """Eight blocks in a row; the first training is what a search sees, the others judge its answer."""
    path = tmp_path / "macro.json"
    path.write_text(macro())
    table = tables.load(str(path), [], own=True)
    assert table.coverage == (
        "the table macro.json: 2 of the 6,561 networks of its own space, 8 places with one of 3 operators each"
    )
    blocks = {(1, 2): "mb3_k3", (2, 3): "mb6_k5", (4, 5): "mb3_k3", (5, 6): "mb6_k5"}
    found = table.look_up(nas_bench.MACRO.cell(blocks), None)
    assert found.metrics == {"accuracy": approx(0.9), "test": approx(0.915)}
    assert (found.costs["macs"], found.costs["parameters"]) == (5000, 1000)
    assert table.look_up(nas_bench.MACRO.cell({(0, 1): "mb3_k3"}), None).missing
    for text in ("[]", "{}", '{"01": {}}', macro(flops=-1), '{"01201200": {"test_acc": [90]}}', macro(test_acc="x")):
        path.write_text(text)
        with pytest.raises(DataError, match=r"is not NAS-Bench-Macro's file|holds no network"):
            tables.load(str(path), [], own=True)


def test_a_table_is_in_per_cent_as_a_whole(tmp_path: Path) -> None:
    """An accuracy of 0.83 is chance on 120 classes where others are above 1, and a good one where none is."""
    path = tmp_path / "keys.csv"
    path.write_text("cell,accuracy\nconv(0),0.83\nconv(0);conv(1),46.5\n")
    assert tables.load(str(path), []).look_up(Cell.of(["conv"], [(0, 1)]), None).metrics["accuracy"] == approx(0.0083)
    path.write_text("cell,accuracy\nconv(0),0.83\nconv(0);conv(1),0.465\n")
    assert tables.load(str(path), []).look_up(Cell.of(["conv"], [(0, 1)]), None).metrics["accuracy"] == approx(0.83)


def test_small_device_costs_of_tables(tmp_path: Path) -> None:
    """NAS-Bench-Macro's networks are counted where the count has the file's figures; a CSV file may bring columns."""
    # three rows of the benchmark's file: parameters and MACs
    known = {"02012100": (890_666, 47_327_744), "00000000": (387_882, 7_713_280), "22222222": (2_932_586, 105_660_928)}
    for name, (parameters, macs) in known.items():
        found = macro_networks.costs([macro_networks.BLOCKS[int(digit)] for digit in name])
        assert (found["parameters"], found["macs"]) == (parameters, macs)
    path = tmp_path / "macro.json"
    path.write_text(macro(params=890_666, flops=47_327_744))
    assert tables.load(str(path), [], own=True).costs == {"macs", "parameters"}, "these are not that row's"
    rows = {name: {"test_acc": [90, 90], "params": a, "flops": b} for name, (a, b) in known.items()}
    path.write_text(json.dumps(rows))
    table = tables.load(str(path), [], own=True)
    assert table.costs == {"macs", "parameters", "memory_bytes", "arena_bytes", "flash_bytes", "intensity"}
    smallest = table.look_up(nas_bench.MACRO.cell({}), None).costs
    # the first halving of the resolution: 32 channels in, 64 of a quarter of the area out
    assert smallest["memory_bytes"] == smallest["arena_bytes"] == 32 * 32 * (32 + 16)
    (tmp_path / "keys.csv").write_text("cell,accuracy,arena_bytes\nconv(0),90,700\n")
    table = tables.load(str(tmp_path / "keys.csv"), [])
    assert table.look_up(Cell.of(["conv"], [(0, 1)]), None).costs["arena_bytes"] == 700
    assert "flash_bytes" not in table.costs


def test_a_table_without_a_space_of_its_own_says_so(tmp_path: Path) -> None:
    """Asking for it is one line, whatever the table."""
    (tmp_path / "keys.csv").write_text("cell,accuracy\nconv(0),90\n")
    (tmp_path / "101.tfrecord").write_bytes(b"")
    for source in ("made", "keys.csv", "101.tfrecord"):
        with pytest.raises(DataError, match="accepted: --space cells"):
            tables.load(source if source == "made" else str(tmp_path / source), [], own=True)
