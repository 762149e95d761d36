"""params.yaml: overlays, settings, and errors that name file, key, value and what is accepted."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from autoshrink.errors import ParameterError
from autoshrink.params import Parameters, freeze, json_schema, load
from autoshrink.params.data import Sotu
from autoshrink.params.loading import merge, validate
from autoshrink.params.strategies import EvolutionStrategy, RandomStrategy, ShrinkStrategy

BASE = {"datasets": {"mnist5k": {"source": "mnist5k"}, "sotu": {"source": "sotu"}}}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Return a smallest params.yaml."""
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(BASE))
    return path


def test_the_least_file_is_filled_with_defaults(base: Path) -> None:
    """Only data sets are required; everything else has its embedded default."""
    parameters = load([base])
    assert parameters.seed == 2020
    assert parameters.used_datasets == ["mnist5k", "sotu"]
    assert parameters.search.cnn.k >= 1


def test_overlays_are_merged_deeply_and_the_last_wins(base: Path, tmp_path: Path) -> None:
    """An overlay changes its own keys alone; --set is the strongest."""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    one.write_text("search: {cnn: {k: 7, nodes: 6}, seeds: [1, 2]}\n")
    two.write_text("search: {cnn: {k: 8}, seeds: [3]}\n")
    parameters = load([base, one, two], ["search.rnn.k=9", "proxy.cnn.training.learning_rate=1.0e-3"])
    assert (parameters.search.cnn.k, parameters.search.cnn.nodes, parameters.search.rnn.k) == (8, 6, 9)
    assert parameters.search.seeds == [3]
    assert parameters.proxy.cnn.training.learning_rate == 0.001


def test_an_empty_file_is_the_default_run(tmp_path: Path) -> None:
    """Nothing is required; built-in data sets need no entry, and one without a source is changed, not replaced."""
    path = tmp_path / "params.yaml"
    path.write_text("")
    assert load([path]) == Parameters()
    changed = load([path], ["datasets.sotu.first_year=2000"])
    assert changed.datasets["sotu"] == Sotu(source="sotu", first_year=2000)
    assert changed.datasets.keys() == Parameters().datasets.keys()


def test_merge_touches_neither_of_its_arguments() -> None:
    """Merging copies: the result shares nothing with base or overlay."""
    base, overlay = {"a": {"b": [1]}}, {"a": {"c": [2]}}
    result = merge(base, overlay)
    result["a"]["b"].append(3)
    result["a"]["c"].append(3)
    assert (base, overlay) == ({"a": {"b": [1]}}, {"a": {"c": [2]}})


def test_strategies_are_adapted_by_name_or_added(base: Path) -> None:
    """Built-in strategies stay when others are added; an entry without a kind changes the built-in one of its name."""
    parameters = load(
        [base],
        [
            "search.strategies.evolution.population=20",
            "search.strategies.big-steps={kind: shrink, edges_per_round: 3}",
            "search.cnn.strategy=big-steps",
        ],
    )
    strategies = parameters.search.strategies
    assert strategies["evolution"] == EvolutionStrategy(population=20)
    assert strategies["big-steps"] == ShrinkStrategy(edges_per_round=3)
    assert strategies["random"] == RandomStrategy()
    assert strategies["shrink-two-edges"] == ShrinkStrategy(edges_per_round=2)
    base_values = {"s": {"x": {"kind": "shrink", "k_decay": 0.5}}}
    assert merge(base_values, {"s": {"x": {"kind": "random"}}})["s"]["x"] == {"kind": "random"}


def test_a_data_set_of_another_source_replaces_the_old_one() -> None:
    """Keys of one source mean nothing to another, so they go; keys of the same source stay."""
    base = {"datasets": {"x": {"source": "digits", "test_per_class": 5}}}
    assert merge(base, {"datasets": {"x": {"source": "cifar10"}}})["datasets"]["x"] == {"source": "cifar10"}
    assert merge(base, {"datasets": {"x": {"source": "digits"}}})["datasets"]["x"]["test_per_class"] == 5


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("serach.cnn.k=3", ["serach", "not known"]),
        ("search.cnn.kk=3", ["search.cnn.kk", "= 3", "not known"]),
        ("search.cnn.k=0", ["search.cnn.k = 0", "greater than or equal to 1"]),
        ("search.cnn.k=three", ["search.cnn.k = 'three'", "valid integer"]),
        ("search.cnn.k=2.5", ["search.cnn.k = 2.5", "valid integer"]),
        ("search.cnn.k=true", ["search.cnn.k = True", "valid integer"]),
        ("search.cnn.k='4'", ["search.cnn.k = '4'", "valid integer"]),
        ("search.cnn.nodes=1", ["search.cnn.nodes = 1", "greater than or equal to 2"]),
        ("search.cnn.keep_fraction=1.5", ["search.cnn.keep_fraction = 1.5", "less than 1"]),
        (
            "search.cnn.keep_fraction=0.99",
            ["search.cnn.keep_fraction = 0.99: keeps 10 of 10 edges", "below 0.95"],
        ),
        ("search.cnn.operators=[conv]", ["search.cnn.operators.0 = 'conv'", "'separable_conv_3x3'", "'conv_1x1'"]),
        ("search.cnn.operators=[]", ["search.cnn.operators", "at least 1 item"]),
        ("search.cnn.operator_sampling=fair", ["'fair'", "'balanced' or 'uniform'"]),
        ("search.seeds=[1, 1]", ["search", "seeds must differ", "[1, 1]"]),
        ("search.seeds=[-1]", ["search.seeds.0 = -1", "greater than or equal to 0"]),
        ("seed=-1", ["seed = -1", "greater than or equal to 0"]),
        ("tasks=[gnn]", ["tasks.0 = 'gnn'", "'cnn' or 'rnn'"]),
        ("tasks=[]", ["tasks", "at least 1 item"]),
        (
            "proxy.cnn.dataset=cifar",
            [
                "proxy.cnn.dataset",
                "'cifar' is not an entry of datasets",
                "accepted: cifar10, digits, fashion-mnist, mnist5k",
            ],
        ),
        (
            "proxy.cnn.dataset=sotu",
            [
                "proxy.cnn.dataset",
                "'sotu' is data for the task rnn",
                "accepted: cifar10, digits, fashion-mnist, mnist5k",
            ],
        ),
        ("datasets.x.source=imagenet", ["datasets.x", "imagenet", "'imagefolder'"]),
        ("datasets.mnist5k.test_per_class=1000", ["datasets.mnist5k.test_per_class = 1000", "less than or equal"]),
        ("datasets.mnist5k.folder=/data", ["datasets.mnist5k.folder", "not known"]),
        ("proxy.rnn.network.hidden=32", ["proxy.rnn.network", "tied embeddings need embedding == hidden", "32"]),
        ("proxy.cnn.network.stage_cells=[1]", ["proxy.cnn.network", "one entry per stage"]),
        ("training.cnn.learning_rate=0", ["training.cnn.learning_rate = 0", "greater than 0"]),
        ("training.cnn.warmup_epochs=500", ["training.cnn", "warmup_epochs 500", "less than epochs"]),
        ("compute.device=tpu", ["compute.device = 'tpu'", "'auto', 'cpu' or 'cuda'"]),
        ("seed=2020-01-01", ["seed = 2020-01-01", "date", "accepted: text, numbers"]),
        (
            "proxy.cnn.training.learning_rate=.nan",
            ["proxy.cnn.training.learning_rate = nan", "accepted: text, numbers"],
        ),
        (
            "search.cnn.strategy=annealing",
            ["cnn.strategy: 'annealing' is not an entry", "shrink", "random", "evolution"],
        ),
        ("search.rnn.strategy=shrink-naswot", ["rnn.strategy", "naswot", "accepted for rnn: zero_cost: gradient_norm"]),
        ("search.strategies.evolution.population=1", ["search.strategies.evolution.population = 1", "or equal to 2"]),
        ("search.strategies.evolution.population=3", ["search.strategies.evolution: tournament 4 is larger", "3"]),
        ("search.strategies.evolution.size=3", ["search.strategies.evolution.size = 3", "not known"]),
        ("search.strategies.mine.population=3", ["search.strategies.mine", "the key 'kind' is required"]),
        ("search.strategies.mine.kind=magic", ["search.strategies.mine", "'magic'", "'evolution'"]),
        ("search.strategies={My 1: {kind: random}}", ["the name 'My 1' is not of lower-case letters"]),
        ("search.strategies.mine={kind: halving, epochs: [3, 2]}", ["search.strategies.mine", "epochs must ascend"]),
        ("search.cnn.objective.max_macs=0", ["search.cnn.objective.max_macs = 0", "or equal to 1"]),
        ("search.cnn.objective.max_latency_ms=-1", ["search.cnn.objective.max_latency_ms = -1", "greater than 0"]),
        (
            "search.cnn.objective.macs_weight=-1",
            ["search.cnn.objective.macs_weight = -1", "greater than or equal to 0"],
        ),
        ("search.cnn.finalists.repeats=0", ["search.cnn.finalists.repeats = 0", "greater than or equal to 1"]),
        ("search.rnn.finalists.count=none", ["search.rnn.finalists.count = 'none'", "integer"]),
        ("search.cnn.finalists={rule: median}", ["search.cnn.finalists.rule = 'median'", "one_standard_error"]),
        (
            "search.cnn.finalists={repeats: 1, rule: one_standard_error}",
            ["search.cnn.finalists", "no standard error", "repeats of 2 or more"],
        ),
        ("study.strategies=[shrink, nothing]", ["study.strategies: 'nothing' is not an entry"]),
        ("study.seeds=[1]", ["study.seeds", "at least 2 items"]),
        ("study.budgets=[0.5, 0.5]", ["study", "budgets must differ"]),
        ("paths={1: x}", ["paths: the key 1 is int", "accepted: text"]),
        ("search", ["--set search: expected key.path=value"]),
        ("search.cnn.k=[", ["--set search.cnn.k=[: the value is not valid YAML"]),
    ],
)
def test_a_mistake_is_one_line_that_says_all(base: Path, setting: str, expected: list[str]) -> None:
    """The error of each mistake is one line naming the key, what was found and what is accepted."""
    with pytest.raises(ParameterError) as caught:
        load([base], [setting])
    message = str(caught.value)
    assert "\n" not in message
    for part in expected:
        assert part in message
    assert message.startswith((f"{base}: ", "--set "))


def test_every_mistake_is_told_at_once(base: Path) -> None:
    """Three mistakes are three lines."""
    with pytest.raises(ParameterError) as caught:
        load([base], ["search.cnn.k=0", "seed=x", "paths.results=3"])
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"search: [", "not valid YAML"),
        (b"- 1", "expected keys and values, found list"),
        (b"seed: \xff", "cannot be read as UTF-8"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    """A missing or damaged file is an error of one line that names it."""
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ParameterError, match=message) as caught:
        load([path])
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_frozen_parameters_read_back_equal_under_their_digest(base: Path, tmp_path: Path) -> None:
    """The snapshot validates to the same parameters, is written once, and another one gets another name."""
    parameters = load([base])
    path = freeze(parameters, tmp_path / "frozen")
    assert load([path]) == parameters
    before = path.stat().st_mtime_ns
    assert freeze(parameters, tmp_path / "frozen") == path
    assert path.stat().st_mtime_ns == before
    assert freeze(load([base], ["seed=3"]), tmp_path / "frozen") != path


def test_parameters_cannot_be_changed(base: Path) -> None:
    """Parameters are a value: assignment fails."""
    with pytest.raises(ValueError, match="frozen"):
        load([base]).seed = 3  # type: ignore[misc]


def test_the_schema_accepts_what_loads_and_refuses_what_does_not(base: Path) -> None:
    """The JSON schema is valid, accepts defaults, and refuses unknown keys and values out of bounds."""
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(Parameters.model_validate(BASE).model_dump(mode="json"))
    assert not validator.is_valid({**BASE, "search": {"cnn": {"k": 0}}})
    assert not validator.is_valid({**BASE, "serach": {}})


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("/", "no folder of the pipeline's own"),
        (".", "no folder of the pipeline's own"),
        ("./", "no folder of the pipeline's own"),
        ("..", "holds '..'"),
        ("../other", "holds '..'"),
        ("a/../../b", "holds '..'"),
        ("~/results", "begins with '~'"),
        ("re{sul}ts", "holds '{'"),
        ("two\nlines", r"holds '\n'"),
        ("a\0b", r"holds '\x00'"),
    ],
)
@pytest.mark.parametrize("key", ["data", "store", "results"])
def test_folders_that_the_pipeline_must_not_write_to(base: Path, key: str, path: str, says: str) -> None:
    """Empty, root, climbing and unprintable paths are refused in one line that names the key."""
    with pytest.raises(ParameterError) as caught:
        load([base], [f"paths.{key}={json.dumps(path)}"])
    (line,) = str(caught.value).splitlines()
    assert f"paths.{key}" in line
    assert says in line


def test_folders_are_kept_in_plain_form(base: Path) -> None:
    """A trailing slash or a leading ./ is the same folder; blanks, quotes, dashes and unicode stay."""
    parameters = load([base], ["paths.results=./mine/", "paths.data='-é \"x\" $(y)'", "paths.store=/a b/store"])
    assert (parameters.paths.results, parameters.paths.store) == ("mine", "/a b/store")
    assert parameters.paths.data == '-é "x" $(y)'


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("s3://a/{b}", "holds '{'"),
        ("s3://a/'b", 'holds "\'"'),
        ("s3://a/b c", "holds ' '"),
        ("s3://a/$(x)", "holds '$'"),
        ("s3://a/é", "holds 'é'"),
        ("lab/run", "begins with no scheme"),
        ("S3://lab/run", "begins with no scheme"),
        ("s3://lab/../run", "has the part '..'"),
        ("s3://lab/run/", "has the part ''"),
        ("s3://", "has the part ''"),
    ],
)
def test_places_on_object_storage_are_of_a_stated_alphabet(base: Path, place: str, says: str) -> None:
    """What Snakemake would read as a wildcard, or a shell otherwise, is refused in one line."""
    with pytest.raises(ParameterError) as caught:
        load([base], [f"paths.storage={json.dumps(place)}"])
    (line,) = str(caught.value).splitlines()
    assert "paths.storage" in line and says in line and "accepted: SCHEME://NAME/..., such as s3://bucket/run" in line


@pytest.mark.parametrize("place", ["s3://lab/runs/first", "gs://a.b_c-d/2026+1=x@y", "sftp://host:22/run"])
def test_places_on_object_storage(base: Path, place: str) -> None:
    """A bucket and a path, a host with a port."""
    assert load([base], [f"paths.storage={place}"]).paths.storage == place


def test_two_kinds_of_files_in_one_folder(base: Path) -> None:
    """Data, store and results do not share a folder."""
    with pytest.raises(ParameterError, match="data and results must be different folders, found 'here' twice"):
        load([base], ["paths.data=here", "paths.results=./here"])


@pytest.mark.parametrize(
    "name", ["", "..", ".", "-x", "--help", "a b", "a/b", "x;y", "$(x)", "`x`", "é", "a" * 65, "a\n"]
)
def test_names_of_data_sets_are_of_a_stated_alphabet(base: Path, name: str) -> None:
    """A name that a shell, a path or an option parser could read otherwise is refused, in one line."""
    overlay = base.with_name("overlay.yaml")
    overlay.write_text(json.dumps({"datasets": {name: {"source": "digits"}}}))
    with pytest.raises(ParameterError) as caught:
        load([base, overlay])
    (line,) = str(caught.value).splitlines()
    assert f"datasets: the name {name!r} is not of letters, digits" in line


def test_the_folder_of_downloads_is_no_data_set(base: Path) -> None:
    """``downloads`` lies beside the prepared data sets and cannot be one."""
    with pytest.raises(ParameterError, match="'downloads' is taken"):
        load([base], ["datasets.downloads={source: digits}"])


def test_a_file_that_changes_one_key_keeps_the_others_defaults(tmp_path: Path) -> None:
    """The proxy's stem has stride 2 by default though the network's type says 1; naming a sibling key keeps that."""
    file = tmp_path / "short.yaml"
    file.write_text("proxy: {cnn: {network: {base_filters: 4}}}\n")
    found = load([file])
    assert found.proxy.cnn.network.stem_stride == load([]).proxy.cnn.network.stem_stride == 2
    assert found.proxy.cnn.network.base_filters == 4


def test_a_graph_too_large_for_keys_is_one_line() -> None:
    """A meta-graph may have thirty nodes, as large as a cell's key takes: more are told before anything starts."""
    with pytest.raises(ParameterError, match=r"search\.cnn\.nodes = 31: .* less than or equal to 30") as caught:
        load([], ["search.cnn={strategy: metagraph, nodes: 31}"])
    assert "\n" not in str(caught.value)


def test_what_is_left_to_shrink_is_counted_in_the_strategys_own_space() -> None:
    """Of one edge two thirds are all; of an edge and two operators, or of an edge in each of three stages, they are
    not."""
    few = ["search.cnn.nodes=2", "search.cnn.keep_fraction=0.66"]
    with pytest.raises(ParameterError, match="keeps 1 of 1 edges: nothing would shrink; accepted: below"):
        load([], few)
    for wider in ("search.cnn.strategy=shrink-operators", "search.cnn.cells=per_stage"):
        assert load([], [*few, wider]).search.cnn.keep_fraction == 0.66
    with pytest.raises(ParameterError, match="keeps 3 of 3 edges and alternatives"):
        load([], [*few, "search.cnn.strategy=shrink-operators", "search.cnn.keep_fraction=0.9"])


def test_boards_are_named_limits() -> None:
    """A board's limits stand in the budget; a changed one's too; an unknown one, or one without limits, is told."""
    parameters = load([], ["search.cnn.objective.budget={board: visual-wake-words}"])
    budget = parameters.search.cnn.objective.budget
    assert budget is not None
    assert budget.limits == {"memory_bytes": 250_000, "flash_bytes": 250_000, "macs": 60_000_000}
    assert validate(parameters.model_dump(mode="json"), "again") == parameters
    changed = ["boards.sparkfun-edge.arena_bytes=300000", "search.cnn.objective.budget={board: sparkfun-edge}"]
    budget = load([], changed).search.cnn.objective.budget
    assert budget is not None and budget.limits == {"arena_bytes": 300_000, "flash_bytes": 1024**2}
    with pytest.raises(
        ParameterError, match=r"budget\.board: 'sparkfun-egde' is not an entry of boards; accepted: "
    ) as one:
        load([], ["search.cnn.objective.budget={board: sparkfun-egde}"])
    assert "did you mean 'sparkfun-edge'?" in str(one.value) and "\n" not in str(one.value)
    with pytest.raises(ParameterError, match=r"boards\.mine: needs a limit; accepted: macs, parameters, memory_bytes"):
        load([], ["boards.mine={about: nothing}"])
    with pytest.raises(ParameterError, match="budget contradicts max_arena_bytes"):
        load([], ["search.cnn.objective={budget: {board: sparkfun-edge}, max_arena_bytes: 5}"])


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ("{stage9.0: [conv_1x1]}", r"no cell 'stage9\.0' with stage_cells \[1, 1, 1\]; accepted: stage0\.0, stage1\.0"),
        ("{stage0.1: [conv_1x1]}", r"no cell 'stage0\.1'"),
        ("{stage0.0: []}", r"stage0\.0 is empty; accepted: one operator or more"),
    ],
)
def test_residual_layers_follow_cells_that_the_network_has(layers: str, says: str) -> None:
    """Told before anything is trained, for the recipe's network and for those that finalists are tried in."""
    with pytest.raises(ParameterError, match=rf"training\.cnn\.network.*residual_layers: .*{says}") as raised:
        load([], [f"training.cnn.network.residual_layers={layers}"])
    assert "\n" not in str(raised.value)
    networks = f"search.cnn.finalists.networks=[{{residual_layers: {layers}}}]"
    with pytest.raises(ParameterError, match=rf"finalists\.networks\.0.*residual_layers: .*{says}"):
        load([], ["search.cnn.objective.budget={macs: 1000000}", networks])


def test_a_cell_per_stage_needs_as_many_stages_and_a_strategy_that_knows_them() -> None:
    """Told before anything runs; a cell's file takes as many stages as the parameters do."""
    from autoshrink.cells import cell
    from autoshrink.params.search import MOST_NODES, MOST_STAGES

    assert (MOST_NODES, MOST_STAGES) == (cell.MOST_NODES, cell.MOST_STAGES)
    asked = "search.cnn.cells=per_stage"
    assert load([], [asked]).search.cnn.cells == "per_stage"
    shape = ["scales=[1, 2]", "cells=[1, 1]", "pools=[1, 2]"]
    fewer = [f"training.cnn.network.stage_{key}" for key in shape]
    for settings, says in (
        ([*fewer], r"proxy\.cnn\.network has 3 stages and training\.cnn\.network 2; accepted: as many of both"),
        (
            ["search.strategies.mine={kind: outside, entry_point: mine}", "search.cnn.strategy=mine"],
            r"search\.cnn\.strategy 'mine' searches one cell for all stages",
        ),
        (["search.cnn.strategy=shrink-operators"], "'shrink-operators' searches operators too"),
        (["search.cnn.strategy=firefly"], "'firefly' searches one cell for all stages"),
        (
            [
                "search.cnn.objective.budget={macs: 1000000}",
                "search.cnn.finalists.networks=[{stage_cells: [1, 1], stage_scales: [1, 2], stage_pools: [1, 2]}]",
            ],
            r"finalists\.networks has stage_cells \[1, 1\]; accepted: 3 stages",
        ),
    ):
        with pytest.raises(ParameterError, match=says):
            load([], [asked, *settings])
    with pytest.raises(ParameterError, match=r"search\.rnn\.cells"):
        load([], ["search.rnn.cells=per_stage"])
