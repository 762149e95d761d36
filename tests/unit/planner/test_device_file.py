"""Device files: what they mean, and one line for each mistake in them."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoshrink.errors import UserError
from autoshrink.planner import device_file

GOOD = """
name: two kinds
accelerators:
  a: {peak_tflops: 10, memory_gb: 16, bandwidth_gbit_s: 8}
  b: {peak_tflops: 20, memory_gb: 32, bandwidth_gbit_s: 16}
array:
  - {accelerator: a, count: 4}
  - array: [{accelerator: b, count: 2}, {accelerator: a}]
    links: 1
shares: [0.25, 0.75]
"""


def read(folder: Path, text: str) -> str:
    """Return what reading a file of this text says."""
    path = folder / "devices.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        device_file.read(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_a_file_is_an_array(tmp_path: Path) -> None:
    path = tmp_path / "devices.yaml"
    path.write_text(GOOD)
    array = device_file.read(str(path))
    assert array.root.label == "5 a + 2 b"
    assert array.root.devices == 7
    assert array.root.levels == 3
    assert array.shares == (0.25, 0.75)
    # four devices receive over a link each; of the other side, which has one link, the fastest
    assert array.root.receiving(0) == 4e9
    assert array.root.sides is not None
    assert array.root.sides[1].receiving(0) == 2e9


def test_the_papers_array_comes_along() -> None:
    array = device_file.read("tpu-boards")
    assert (array.root.devices, array.root.levels, array.bytes_per_number) == (256, 8, 2)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (", bandwidth_gbit_s: 8}", "}", "accelerators.a.bandwidth_gbit_s: this key is required; an accelerator has"),
        ("bandwidth_gbit_s: 8", "bandwidth_gbit_s: 0", "accelerators.a.bandwidth_gbit_s = 0: Input should be greater"),
        ("[0.25, 0.75]", "[0.25, 0.7]", "shares [0.25, 0.7] add up to 0.95; accepted: two that add up to 1"),
        ("{accelerator: a, count: 4}", "{accelerator: c}", "array: 'c' is no entry of accelerators; accepted: a, b"),
        ("name: two kinds", "nome: x\nname: y", "nome = 'x': this key is not known here"),
        (GOOD, "[1, 2]", "expected keys and values"),
        (GOOD, "a: [", "not valid YAML"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert read(tmp_path, GOOD.replace(old, new)).startswith(said)


def test_a_file_that_is_not_there_is_one_line() -> None:
    with pytest.raises(UserError, match=r"nowhere.yaml: there is no such device file; .*tpu-boards"):
        device_file.read("nowhere.yaml")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=80)
    | st.builds(
        lambda position, end, word: (GOOD[:position] + word + GOOD[end:]).encode(),
        st.integers(0, len(GOOD)),
        st.integers(0, len(GOOD)),
        st.sampled_from(["", "[", "{", "*a", "&a ", "-1", "1e999", ".nan", "null", "\\0", "1" * 400]),
    )
)
def test_any_bytes_are_an_array_or_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "devices.yaml"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert device_file.read(str(path)).root.devices >= 1
