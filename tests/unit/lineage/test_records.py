"""Fuzzing of the reader of lineage records: whatever one holds, it is a record or one line, and every question ends."""

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoshrink.cli import main
from autoshrink.errors import ArtifactError
from autoshrink.files import artifacts
from autoshrink.lineage import graph, records
from autoshrink.lineage.records import KIND, VERSION
from autoshrink.lineage.verify import verify
from tests.unit.lineage import made

SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
names = text | st.sampled_from(
    ["best.json", "../best.json", "round-01/round.json", "/etc/hostname", "..", ".", "a" * 300, "\0", "b/../../c", ""]
)
digests = st.sampled_from(["0" * 64, "", "none"]) | json_values
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "inputs": st.dictionaries(names, digests, max_size=3) | json_values,
    "outputs": st.dictionaries(names, digests, max_size=3) | json_values,
    "verb": st.sampled_from(["best", "prepare", "evaluate", "conjure", ""]) | json_values,
    "task": st.sampled_from(["cnn", "gan"]) | json_values,
    "store": names | json_values,
    **dict.fromkeys(("code", "environment", "parameters", "seeds", "compute", "subject", "mine"), json_values),
}


@settings(max_examples=100, deadline=None, suppress_health_check=SHARED)
@given(
    content=st.binary(max_size=80)
    | st.fixed_dictionaries({}, optional=FIELDS).map(lambda content: artifacts.sealed_bytes(KIND, VERSION, content))
)
def test_any_file_is_a_record_or_one_line(content: bytes, tmp_path: Path) -> None:
    """What is read has every property that readers ask for; all else is named in one line."""
    path = tmp_path / "best.lineage.json"
    path.write_bytes(content)
    try:
        found = records.read(path)
    except ArtifactError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
        return
    assert isinstance(found.verb, str) and found.artifact == tmp_path / "best.json"
    assert found.dataset is None or isinstance(found.dataset, str)
    assert found.store is None or found.store.is_absolute()
    assert all(output.is_relative_to(tmp_path) for output in found.outputs)


@settings(max_examples=15, deadline=None, suppress_health_check=SHARED)
@given(data=st.data())
def test_a_forged_record_ends_no_question_badly(
    data: st.DataObject, pristine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One field of a run's record replaced and sealed anew: verify, why, show and diff still answer or say one line."""
    shutil.copytree(pristine, tmp_path / "run", dirs_exist_ok=True)
    with contextlib.chdir(tmp_path / "run"):
        path = data.draw(st.sampled_from(sorted(Path("results").rglob(f"*{records.SUFFIX}"))))
        content = artifacts.read_sealed(path, KIND, VERSION)
        field = data.draw(st.sampled_from(sorted(FIELDS)))
        content[field] = data.draw(FIELDS[field])
        artifacts.write_sealed(path, KIND, VERSION, content)
        assert verify(graph.read(Path("results"))).artifacts
        for words in (
            ["why", "accuracy_top1", "results"],
            ["show", str(made.SEARCH / "best.json"), "--results", "results"],
            ["diff", "results", str(pristine / "results")],
        ):
            with contextlib.suppress(SystemExit):
                main(["lineage", *words])
            assert "Traceback" not in capsys.readouterr().err
