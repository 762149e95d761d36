"""What a user can get wrong: each ends in clear lines, one per mistake, before any training, or is redone.

The command line is called in this process, so that forty cases cost the import of torch once. A case is a function that
makes the mistake in an empty folder and returns the words of the command; beside it stands what the line must say.
"""

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from autoshrink.cells.cell import Cell
from autoshrink.cli import main
from tests.functional.smoke_run import RESULTS, ROOT, Folder

Words = Sequence[str]
Mistake = Callable[[Path], Words]


def setting(value: str) -> Mistake:
    """Return the mistake of checking params.yaml with one value changed."""
    return lambda folder: ["check", "--params", str(ROOT / "params.default.yaml"), "--set", value]


def overlay(text: str) -> Mistake:
    """Return the mistake of checking params.yaml under an overlay with this content."""

    def make(folder: Path) -> Words:
        (folder / "mine.yaml").write_text(text)
        return ["check", "--params", str(ROOT / "params.default.yaml"), "--params", "mine.yaml"]

    return make


def preparing(entry: dict[str, object], *, verb: str = "prepare") -> Words:
    """Return the words that prepare (or only check) a data set of this entry, called mine."""
    task = "rnn" if entry["source"] in ("text", "ptb", "sotu") else "cnn"
    use = {section: {task: {"dataset": "mine"}} for section in ("proxy", "training")}
    Path("mine.yaml").write_text(yaml.safe_dump({"datasets": {"mine": entry}, "tasks": [task], **use}))
    files = ["--params", str(ROOT / "params.default.yaml"), "--params", "mine.yaml"]
    return [verb, *(["mine", "--out", "data/mine"] if verb == "prepare" else []), *files]


def photographs(folder: Path, classes: dict[str, int]) -> Path:
    """Write small pictures, so many per class, and return their folder."""
    from PIL import Image

    for name, count in classes.items():
        for number in range(count):
            file = folder / "photographs" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), (number * 9 % 256, len(name), 0)).save(file)
    return folder / "photographs"


def own_reference(name: str) -> Mistake:
    """Return the mistake of naming a reference of one's own that is not there, or makes no network."""

    def make(folder: Path) -> Words:
        (folder / "mine_networks.py").write_text("def text(width, channels, classes):\n    return 'no module'\n")
        return setting(f'references.cnn.networks=["{name}"]')(folder)

    return make


def undecodable_image(folder: Path) -> Words:
    """A picture whose bytes are none."""
    place = photographs(folder, {"cat": 6, "dog": 6})
    (place / "dog" / "3.png").write_bytes(b"no picture at all")
    return preparing({"source": "imagefolder", "folder": str(place)})


def one_class(folder: Path) -> Words:
    """A folder with a single class."""
    return preparing({"source": "imagefolder", "folder": str(photographs(folder, {"cat": 6}))})


def small_class(folder: Path) -> Words:
    """A class with one picture."""
    return preparing({"source": "imagefolder", "folder": str(photographs(folder, {"cat": 6, "dog": 1}))})


def train_without_test(folder: Path) -> Words:
    """A train/ without val/ or test/."""
    photographs(folder, {"cat": 6, "dog": 6}).rename(folder / "train")
    (folder / "own").mkdir()
    (folder / "train").rename(folder / "own" / "train")
    return preparing({"source": "imagefolder", "folder": "own"})


def truncated_cifar(folder: Path) -> Words:
    """A CIFAR-10 batch that was cut off."""
    (folder / "cifar-10-batches-bin").mkdir()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (folder / "cifar-10-batches-bin" / f"{name}.bin").write_bytes(b"\0" * 3073)
    return preparing({"source": "cifar10", "folder": str(folder)})


def no_cifar(folder: Path) -> Words:
    """A folder that holds no batch."""
    return preparing({"source": "cifar10", "folder": str(folder)})


def truncated_idx(folder: Path) -> Words:
    """An idx file of Fashion-MNIST that was cut off."""
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08"))
    return preparing({"source": "fashion-mnist", "folder": str(folder)})


def text(content: dict[str, bytes], *, verb: str = "prepare") -> Mistake:
    """Return the mistake of preparing text files with this content."""

    def make(folder: Path) -> Words:
        for name, raw in content.items():
            (folder / f"{name}.txt").write_bytes(raw)
        paths = {name: f"{name}.txt" for name in ("train", "validation", "test")}
        return preparing({"source": "text", **paths}, verb=verb)

    return make


def ptb_without_validation(folder: Path) -> Words:
    """A folder that lacks one of PTB's files."""
    for name in ("train", "test"):
        (folder / f"ptb.{name}.txt").write_text("a few words\n")
    return preparing({"source": "ptb", "folder": str(folder)})


def other_ptb(folder: Path) -> Words:
    """A text that is not the Penn Treebank."""
    for name in ("train", "valid", "test"):
        (folder / f"ptb.{name}.txt").write_text(f"some other words for {name}\n")
    return preparing({"source": "ptb", "folder": str(folder)})


def cyclic_cell(folder: Path) -> Words:
    """A cell file, properly sealed, with a cycle."""
    from autoshrink.files import artifacts

    cell = Cell.of(["conv_1x1", "conv_1x1"], [(0, 1), (1, 2)]).to_json()
    cell["edges"].append([2, 1])
    artifacts.write_sealed(folder / "cell.json", "cell", 1, {"cell": cell})
    return ["cost", "--params", str(ROOT / "params.default.yaml"), "--cell", "cell.json"]


def foreign_cell_file(folder: Path) -> Words:
    """A cell file that holds something else."""
    (folder / "cell.json").write_text('{"nodes": 5}')
    return ["cost", "--params", str(ROOT / "params.default.yaml"), "--cell", "cell.json"]


def unknown_cell(folder: Path) -> Words:
    """The name of no released cell."""
    return ["cost", "--params", str(ROOT / "params.default.yaml"), "--cell", "shrinkcnn-z"]


def no_params(folder: Path) -> Words:
    """A parameter file that is not there."""
    return ["check", "--params", "missing.yaml"]


def bad_search_name(folder: Path) -> Words:
    """A search's name without a seed."""
    return [
        "start",
        "--params",
        str(ROOT / "params.default.yaml"),
        "--task",
        "cnn",
        "--search",
        "shrink",
        "--out",
        "r.json",
    ]


CASES: dict[str, tuple[Mistake, str]] = {
    "unknown key": (setting("search.cnn.kk=5"), r"search\.cnn\.kk = 5: this key is not known"),
    "unknown reference": (
        setting('references.cnn.networks=["mobilenet_v3"]'),
        r"'mobilenet_v3' is no reference; did you mean 'mobilenet_v2'\?; accepted: complete, chain",
    ),
    "reference of another task": (setting('references.rnn.networks=["resnet"]'), r"'resnet' is no reference"),
    "own reference without module": (own_reference("nowhere:net"), r"nowhere:net: there is no Python module 'nowhere'"),
    "own reference without function": (
        own_reference("mine_networks:net"),
        r"mine_networks:net: mine_networks has nothing by the name 'net'; expected a function",
    ),
    "k = 0": (setting("search.cnn.k=0"), r"search\.cnn\.k = 0: .*greater than or equal to 1"),
    "nodes = 1": (setting("search.rnn.nodes=1"), r"search\.rnn\.nodes = 1: .*greater than or equal to 2"),
    "keep_fraction = 1.5": (
        setting("search.cnn.keep_fraction=1.5"),
        r"search\.cnn\.keep_fraction = 1\.5: .*less than 1",
    ),
    "nothing to shrink": (setting("search.cnn.keep_fraction=0.99"), r"nothing would shrink; accepted: below"),
    "text for a number": (setting("proxy.cnn.training.epochs=many"), r"epochs = 'many': .*integer"),
    "a number written as text": (setting("proxy.cnn.training.learning_rate='1e-3'"), r"learning_rate = '1e-3'"),
    "not a number": (setting("proxy.cnn.training.learning_rate=.nan"), r"accepted: text, numbers"),
    "unknown operator": (setting("search.cnn.operators=[conv_9x9]"), r"operators\.0 = 'conv_9x9'"),
    "no operators": (setting("search.cnn.operators=[]"), r"search\.cnn\.operators"),
    "unknown strategy": (setting("search.cnn.strategy=guess"), r"guess"),
    "the same seed twice": (setting("search.seeds=[1, 1]"), r"seeds must differ"),
    "unknown data set": (setting("proxy.cnn.dataset=mnist"), r"proxy\.cnn\.dataset: 'mnist' is not an entry"),
    "data of the other task": (setting("training.rnn.dataset=digits"), r"'digits' is data for the task cnn"),
    "unknown source": (overlay("datasets: {mine: {source: web}}"), r"datasets\.mine"),
    "a key of another source": (overlay("datasets: {digits: {folder: x}}"), r"datasets\.digits\.folder"),
    "stages that differ in number": (setting("proxy.cnn.network.stage_pools=[1, 2]"), r"one entry per stage"),
    "tied widths that differ": (setting("proxy.rnn.network.hidden=65"), r"tied embeddings need embedding == hidden"),
    "warm-up longer than training": (setting("training.cnn.warmup_epochs=1000"), r"warmup_epochs 1000"),
    "a setting without a value": (setting("search.cnn.k"), r"expected key\.path=value"),
    "broken YAML": (overlay("search: [unclosed"), r"mine\.yaml: not valid YAML"),
    "a list for a mapping": (overlay("- a\n- b\n"), r"mine\.yaml: expected keys and values, found list"),
    "no parameter file": (no_params, r"missing\.yaml: there is no such file"),
    "missing data folder": (
        lambda folder: preparing({"source": "cifar10", "folder": "nowhere"}, verb="check"),
        r"datasets\.mine\.folder = 'nowhere': there is no such folder",
    ),
    "missing text file": (text({"train": b"a b\n"}, verb="check"), r"validation\.txt'?: there is no such file"),
    "a truncated CIFAR batch": (truncated_cifar, r"data_batch_1\.bin: is not CIFAR-10's published file"),
    "no CIFAR batch": (no_cifar, r"holds neither data_batch_1"),
    "a truncated idx file": (truncated_idx, r"ubyte\.gz"),
    "an image that does not decode": (undecodable_image, r"dog/3\.png.*does not decode"),
    "a single class": (one_class, r"at least 2 are needed"),
    "a class with too few images": (small_class, r"class 'dog' has one image"),
    "train/ alone": (train_without_test, r"has train/, but neither val/ nor test/"),
    "empty text": (text({"train": b"", "validation": b"b\n", "test": b"c\n"}), r"train\.txt: .*(holds no word|empty)"),
    "text in another encoding": (
        text({"train": "café au lait\n".encode("latin-1"), "validation": b"b\n", "test": b"c\n"}),
        r"train\.txt: .*(encoding|utf-8)",
    ),
    "test text that was trained on": (
        text({"train": b"a b c\n", "validation": b"b\n", "test": b"a b c\n"}),
        r"test\.txt: the same text as train\.txt",
    ),
    "PTB without a file": (ptb_without_validation, r"holds neither ptb\.valid\.txt nor valid\.txt"),
    "a text that is not PTB": (other_ptb, r"the Penn Treebank has"),
    "a cell with a cycle": (cyclic_cell, r"edge 2 -> 1 goes backwards and could close a cycle"),
    "a file that is no cell": (foreign_cell_file, r"cell\.json.*(expected|no kind|holds no cell)"),
    "an unknown cell": (unknown_cell, r"neither a file nor a released cell; accepted: "),
    "a search without a seed": (bad_search_name, r"expected STRATEGY-SEED"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_told_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verb ends with status 2 and one line that says what, where and what to do; nothing is left behind."""
    import re

    monkeypatch.chdir(tmp_path)
    mistake, expected = CASES[name]
    words = mistake(tmp_path)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"autoshrink {words[0]}: ")
    assert re.search(expected, lines[0]), lines[0]
    assert not [file for file in set(tmp_path.rglob("*")) - before if file.is_file()]


def verb(folder: Folder, words: Words) -> list[str]:
    """Return the words with the parameters of the run in ``folder``."""
    (frozen,) = (folder.path / RESULTS / "params").glob("*.yaml")
    return [words[0], "--params", str(frozen), *words[1:]]


PROPOSE = ["propose", "--task", "cnn", "--search", "shrink-0", "--out", "new.json", "--previous"]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda raw: raw[: len(raw) // 2], r"not valid JSON .*truncated or altered; remove it"),
        (lambda raw: raw.replace(b'"round": 0', b'"round": 1'), r"does not match its own sha256.*remove it"),
        (lambda raw: b"", r"not valid JSON"),
        (lambda raw: b'{"kind": "model"}', r"expected a file of kind 'round', found 'model'"),
    ],
    ids=["truncated", "altered", "empty", "foreign"],
)
def test_a_damaged_round_is_told_in_one_line(
    damage: Callable[[bytes], bytes],
    expected: str,
    finished: Folder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A round that cannot be trusted is named, with what to do; nothing is made from it."""
    import re

    monkeypatch.chdir(tmp_path)
    whole = (finished.path / RESULTS / "cnn/shrink-0/round-00/round.json").read_bytes()
    (tmp_path / "round.json").write_bytes(damage(whole))
    with pytest.raises(SystemExit) as ended:
        main(verb(finished, [*PROPOSE, "round.json"]))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(r"round\.json: " + expected, line), line
    assert not (tmp_path / "new.json").exists()


def test_a_round_of_another_search_is_refused(
    finished: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The RNN search's round is no start for the CNN search."""
    monkeypatch.chdir(tmp_path)
    other = finished.path / RESULTS / "rnn/shrink-0/round-00/round.json"
    with pytest.raises(SystemExit):
        main(verb(finished, [*PROPOSE, str(other)]))
    assert "belongs to the search rnn/shrink-0, not cnn/shrink-0" in capsys.readouterr().err


def evaluating(folder: Folder, out: Path) -> list[str]:
    """Return the words that evaluate the first candidates of the CNN search's first round."""
    proposal = folder.path / RESULTS / "cnn/shrink-0/round-01/proposal.json"
    places = ["--data", str(folder.prepared("digits")), "--store", str(folder.path / "store"), "--out", str(out)]
    return verb(folder, ["evaluate", "--task", "cnn", "--proposal", str(proposal), "--slots", "0:2", *places])


def test_a_damaged_evaluation_is_set_aside_and_made_again(
    finished: Folder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A flipped byte in the store costs one training and nothing else; the log says what happened."""
    folder = finished.copied(tmp_path / "copy")
    main_status(evaluating(folder, tmp_path / "before.json"))
    content = json.loads((tmp_path / "before.json").read_text())
    key = content["evaluations"]["0"]["key"]
    kept = folder.path / "store/evaluations" / key[:2] / f"{key}.json"
    whole = kept.read_bytes()
    kept.write_bytes(whole.replace(b"accuracy", b"accurasy", 1))
    main_status(evaluating(folder, tmp_path / "after.json"))
    assert kept.read_bytes() == whole
    assert (tmp_path / "after.json").read_bytes() == (tmp_path / "before.json").read_bytes()
    assert kept.with_name(f"{key}.json.damaged-1").exists()
    assert "set aside as" in caplog.text


def test_damaged_prepared_data_is_refused(finished: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prepared data that is not what its manifest says stops the evaluation before any training."""
    folder = finished.copied(tmp_path / "copy")
    arrays = max(folder.prepared("digits").iterdir(), key=lambda file: file.stat().st_size)
    raw = bytearray(arrays.read_bytes())
    raw[-1] ^= 1
    arrays.write_bytes(raw)
    words = evaluating(folder, tmp_path / "out.json")
    words[words.index("--store") + 1] = str(tmp_path / "empty")
    assert main_status(words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert arrays.name in line


def test_too_large_a_proxy_is_refused(finished: Folder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A class with fewer images than the proxy asks for is named before any training."""
    words = [*evaluating(finished, tmp_path / "out.json"), "--set", "proxy.cnn.train_per_class=10000"]
    assert main_status(words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "train_per_class 10000" in line


def main_status(words: Words) -> int:
    """Return the status that the command line ends with."""
    try:
        main(words)
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        return ended.code
    return 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("search: {cnn: {k: 0}}", ["search.cnn.k = 0"]),
        ("{sed: 1, search: {rnn: {nodes: 99}}}", ["search.rnn.nodes = 99", "sed = 1"]),
        ("datasets: {digits: {source: cifar10, folder: nowhere}}", ["datasets.digits.folder = 'nowhere'"]),
    ],
    ids=["out of range", "two mistakes", "missing data"],
)
def test_snakemake_ends_before_any_job(text: str, expected: list[str], tmp_path: Path) -> None:
    """The same mistakes under Snakemake: one line each, no traceback, no job, nothing written."""
    folder = Folder.new(tmp_path / "run").overlaid(text)
    done = folder.run()
    assert done.returncode != 0
    told = sorted(line for line in done.stderr.splitlines() if line.startswith("snakemake: "))
    assert len(told) == len(expected)
    assert all(part in " ".join(told) for part in expected)
    assert "Traceback" not in done.stderr
    assert not (folder.path / RESULTS).exists()


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 10)}]\n" for depth in range(1, 10)
)


@pytest.mark.parametrize(
    ("words", "content", "line"),
    [
        (
            ["--configfile", "mine.yaml"],
            "seed: 1\nseed: 2\n",
            "run: mine.yaml: line 2: the key 'seed' stands in line 1",
        ),
        (["--configfile", "mine.yaml"], BOMB, "run: mine.yaml: more than 100,000 values"),
        (["--configfile=mine.yaml"], "[" * 100_000, "run: mine.yaml: "),
        (["--configfile", "mine.yaml"], "a: {b", "run: mine.yaml: not valid YAML"),
        (["--configfile", "none.yaml"], "", "run: none.yaml: there is no such file; give"),
        (["--configfile", "."], "", "run: .: cannot be read (Is a directory)"),
        (["--config", "search.cnn.k=0"], "", "give it as --config 'search={cnn: {k: 0}}'"),
        (["--config", "seed"], "", "run: --config seed: expected SECTION=VALUE, such as --config seed=7"),
        (["--config", "search={cnn: {k: 0}}"], "", "search.cnn.k = 0: input should be greater than or equal to 1"),
    ],
    ids=["duplicate key", "alias bomb", "deep", "no YAML", "missing", "folder", "dotted", "no value", "out of range"],
)
def test_configuration_is_refused_before_snakemake_reads_it(
    words: list[str], content: str, line: str, tmp_path: Path
) -> None:
    """Files and settings that Snakemake would answer by a traceback, or never, are one line."""
    folder = Folder.new(tmp_path / "run")
    (folder.path / "mine.yaml").write_text(content)
    done = folder.run("--dry-run", *words)
    assert done.returncode != 0
    (told,) = [item for item in done.stderr.splitlines() if item.startswith(("run: ", "snakemake: "))]
    assert line in told
    assert "Traceback" not in done.stderr


def test_nested_settings_keep_their_types(tmp_path: Path) -> None:
    """Snakemake makes text of numbers inside ``--config`` mappings; they count as numbers again."""
    folder = Folder.new(tmp_path / "run")
    done = folder.run("--dry-run", "--config", "search={cnn: {k: 1, keep_fraction: 0.5}}")
    assert done.returncode == 0, done.stderr


def test_a_failing_step_shows_its_line(tmp_path: Path) -> None:
    """A mistake that only a step can see ends the run with the step's own line, before any training."""
    place = photographs(tmp_path, {"cat": 6, "dog": 6})
    (place / "dog" / "3.png").write_bytes(b"no picture at all")
    use = "{dataset: mine}"
    folder = Folder.new(tmp_path / "run").overlaid(
        f"{{tasks: [cnn], datasets: {{mine: {{source: imagefolder, folder: {place}}}}}, "
        f"proxy: {{cnn: {use}}}, training: {{cnn: {use}}}}}"
    )
    done = folder.run("--until", "prepare")
    assert done.returncode != 0
    assert any(line.startswith("autoshrink prepare: ") and "3.png" in line for line in done.stderr.splitlines())
