"""A signed run: whoever alters it and seals everything anew is found out all the same."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.lineage import graph, records, signing
from autoshrink.lineage.verify import verify
from tests.unit.lineage import made

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")


@pytest.fixture
def results(pristine: Path, tmp_path: Path) -> Path:
    """Return the results of a copy of the made run."""
    shutil.copytree(pristine, tmp_path / "run")
    return tmp_path / "run/results"


def a_key(folder: Path, name: str) -> Path:
    """Make an SSH key and return its private half."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
    subprocess.run(command, check=True)
    return folder / name


def allowed(folder: Path, *names: str) -> Path:
    """Write the file of allowed signers that names these keys."""
    lines = [f"{name}@example.org {(folder / f'{name}.pub').read_text()}" for name in names]
    (folder / "signers").write_text("".join(lines))
    return folder / "signers"


@needs_ssh
def test_signed_run_is_signed_by_whom_it_says(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What Ada has signed verifies as Ada's, and the signature is no fault of the run."""
    made.verb("lineage", "sign", results, "--key", a_key(tmp_path, "ada"))
    signers = allowed(tmp_path, "ada")
    made.verb("lineage", "verify", results, "--signed", "--signers", signers)
    assert "signed by ada@example.org" in capsys.readouterr().out


@needs_ssh
def test_run_sealed_anew_is_found_out(results: Path, tmp_path: Path) -> None:
    """A metric altered and sealed anew, its record too, verifies by itself; the signature tells."""
    run = graph.read(results)
    signing.sign(run, verify(run), a_key(tmp_path, "ada"))
    metrics = results / "cnn/shrink-0/metrics.json"
    content = artifacts.read_sealed(metrics, "metrics", 1)
    content["metrics"]["accuracy_top1"] = 0.999
    artifacts.write_sealed(metrics, "metrics", 1, content)
    for record in (records.path_of(metrics), results / "report/report.lineage.json"):
        old = records.read(record)
        records.write(old.artifact, records.digests(old.inputs), records.digests(old.outputs), old.facts)
    forged = graph.read(results)
    verdict = verify(forged)
    assert verdict.findings == ()
    with pytest.raises(UserError, match="signed another run than this"):
        signing.check(forged, verdict, allowed(tmp_path, "ada"))


@needs_ssh
def test_a_strangers_signature_does_not_count(results: Path, tmp_path: Path) -> None:
    """A signature by a key that nobody allowed is no signature."""
    run = graph.read(results)
    a_key(tmp_path, "ada")
    signing.sign(run, verify(run), a_key(tmp_path, "eve"))
    with pytest.raises(UserError, match="is signed by none of those"):
        signing.check(run, verify(run), allowed(tmp_path, "ada"))


@needs_ssh
def test_damaged_signature_key_and_run_are_one_line(results: Path, tmp_path: Path) -> None:
    """What is no key, no signature or no whole run is refused in one line."""
    run = graph.read(results)
    (tmp_path / "none").write_text("no key")
    with pytest.raises(UserError, match="does not sign with it") as caught:
        signing.sign(run, verify(run), tmp_path / "none")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="there is no signature"):
        signing.check(run, verify(run), tmp_path / "none")
    key = a_key(tmp_path, "ada")
    path = signing.sign(run, verify(run), key)
    path.write_bytes(b"-----BEGIN SSH SIGNATURE-----\n" + bytes(100))
    with pytest.raises(UserError, match="is signed by none of those"):
        signing.check(run, verify(run), allowed(tmp_path, "ada"))
    (results.parent / made.SEARCH / "best.json").unlink()
    broken = graph.read(results)
    with pytest.raises(UserError, match="so it is not signed"):
        signing.sign(broken, verify(broken), key)


@needs_ssh
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_signature_is_adas_or_one_line(data: st.DataObject, pristine: Path, tmp_path: Path) -> None:
    """Whatever bytes stand in run.sig and in the list of signers: Ada's own signature, or a line and nothing else."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    shutil.copytree(pristine, folder)
    run = graph.read(folder / "results")
    verdict = verify(run)
    path = signing.sign(run, verdict, a_key(folder, "ada"))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(data.draw(st.binary(max_size=40) | st.just(bytes(content)) | st.just(bytes(content[:-40]))))
    signers = allowed(folder, "ada")
    signers.write_bytes(data.draw(st.just(signers.read_bytes()) | st.binary(max_size=60)))
    try:
        name = signing.check(run, verdict, signers)
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
    else:
        assert name == "ada@example.org"


def test_missing_ssh_keygen_is_said(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ssh-keygen is not installed, the line says what to install."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    run = graph.read(results)
    with pytest.raises(UserError, match="openssh-client"):
        signing.sign(run, verify(run), Path("key"))
