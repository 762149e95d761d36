"""Sign a run with an SSH key, as git signs commits, so that forged records are detected.

What is signed is the run's digest, which covers all records but the report's, and the report's record. The signature
lies beside them as ``run.sig``; ``ssh-keygen`` makes and checks it.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from autoshrink.errors import UserError
from autoshrink.files import artifacts
from autoshrink.lineage import verify
from autoshrink.lineage.graph import Run
from autoshrink.lineage.verify import Verdict

SIGNATURE = verify.SIGNATURE
NAMESPACE = "autoshrink-run"


def sign(run: Run, verdict: Verdict, key: Path) -> Path:
    """Sign the run by an SSH key (private, or public where an agent holds the other) and return the signature's file.

    Raises UserError where the run is not as it was made, or ssh-keygen is missing or refuses the key.
    """
    if verdict.findings:
        raise UserError(f"{run.results}: is not as it was made ({len(verdict.findings)} findings), so it is not signed")
    done = _ssh_keygen(["-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE], _message(run, verdict))
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise UserError(f"--key {key}: ssh-keygen does not sign with it ({_said(done)})")
    path = run.results / SIGNATURE
    artifacts.write_bytes(path, done.stdout)
    return path


def check(run: Run, verdict: Verdict, signers: Path | None) -> str:
    """Return who signed the run, as the file of allowed signers names them.

    ``signers`` defaults to git's ``gpg.ssh.allowedSignersFile``. Raises UserError where there is no signature, it is
    not one of these people's, or the run is not the one that was signed.
    """
    path = run.results / SIGNATURE
    if not path.is_file():
        raise UserError(f"{path}: there is no signature; make one with 'autoshrink lineage sign'")
    allowed = signers or _signers_of_git()
    found = _ssh_keygen(["-Y", "find-principals", "-s", str(path), "-f", str(allowed)])
    names = found.stdout.decode(errors="replace").splitlines()
    if found.returncode or not names:
        raise UserError(f"{path}: is signed by none of those that {allowed} names ({_said(found)})")
    arguments = ["-Y", "verify", "-f", str(allowed), "-I", names[0], "-n", NAMESPACE, "-s", str(path)]
    done = _ssh_keygen(arguments, _message(run, verdict))
    if done.returncode:
        raise UserError(f"{path}: {names[0]} signed another run than this, or this one before it was changed")
    return names[0]


def _message(run: Run, verdict: Verdict) -> bytes:
    report = run.results / "report" / "report.lineage.json"
    drawn = artifacts.digest_of_file(report) if report.is_file() else "none"
    return f"autoshrink run {verdict.digest}\nreport {drawn}\n".encode()


def _ssh_keygen(arguments: list[str], message: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UserError("ssh-keygen: is not installed; signatures need it (Debian and Ubuntu: openssh-client)")
    with tempfile.TemporaryFile() as given:
        given.write(message)
        given.seek(0)
        try:
            return subprocess.run([program, *arguments], stdin=given, capture_output=True, timeout=60)
        except subprocess.TimeoutExpired:
            raise UserError("ssh-keygen: did not answer within a minute; is it waiting for a passphrase?") from None


def _signers_of_git() -> Path:
    git = shutil.which("git")
    asked = ["config", "--get", "--path", "gpg.ssh.allowedSignersFile"]
    found = subprocess.run([git, *asked], capture_output=True, text=True).stdout.strip() if git else ""
    if not found:
        raise UserError(
            "--signed: whose signature counts? give --signers FILE (a line: ada@example.org ssh-ed25519 AAAA...)"
        )
    return Path(found)


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    return " ".join(done.stderr.decode(errors="replace").split()) or f"status {done.returncode}"
