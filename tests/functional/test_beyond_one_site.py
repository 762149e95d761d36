"""Containers, Kubernetes and object storage: against stand-ins, and a server of S3's interface on this machine."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.smoke_run import RESULTS, ROOT, Folder, environment

DOCKERFILE = ROOT / "workflow/container/Dockerfile"
ROUND = f"{RESULTS}/cnn/shrink-0/round-01/round.json"
IMAGE = "registry.example.org/autoshrink:1"
# is called as apptainer is, and runs the command here, under the image's name
APPTAINER = """#!/usr/bin/env bash
set -eu
if [ "$1" = --version ]; then echo apptainer version 1.3.4; exit; fi
while [ "$1" != exec ]; do shift; done
shift
while [[ $1 == --* ]]; do shift; [[ $1 == --* ]] || shift; done
image=$1
shift
echo "$image" >>IMAGES
PATH=IN_IMAGE:$PATH exec env IN_CONTAINER=yes "$@"
"""


def test_the_image_s_recipe_has_all_that_steps_need() -> None:
    """It parses, copies the checkout alone, and has the locked environment and the steps' programs on its PATH."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    found = [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]
    assert {word for word, _ in found} == {"FROM", "COPY", "WORKDIR", "ENV", "RUN"}
    (base,) = [rest for word, rest in found if word == "FROM"]
    (copied,) = [rest for word, rest in found if word == "COPY"]
    (made,) = [rest for word, rest in found if word == "RUN"]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)
    assert "python tools/set_up.py" in made and (ROOT / "tools/set_up.py").exists()
    source, home = copied.split()
    set_to = dict(setting.split("=", 1) for word, rest in found if word == "ENV" for setting in rest.split())
    assert source == "." and found.index(("WORKDIR", home)) < found.index(("RUN", made))
    assert set_to["PATH"].startswith(f"{home}/workflow/bin:{set_to['AUTOSHRINK_VENV']}/bin:")
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".venv", "data", "store", "results*"} <= set(ignored)


def page_says(heading: str) -> set[str]:
    """Return the options, and the variables that are set, in the commands of a section of docs/how-to/cluster.md."""
    text = (ROOT / "docs/how-to/cluster.md").read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    commands = "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    return set(re.findall(r"(?<!\S)(?:--[a-z0-9-]+|[A-Z0-9_]+(?==))", commands))


def docker_builds() -> bool:
    """Return whether there is a Docker that can build."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.mark.slow
@pytest.mark.skipif("CI" in os.environ or not docker_builds(), reason="there is no Docker to build with")
def test_the_image_can_be_built() -> None:
    """And has the programs."""
    build = ["docker", "build", "--quiet", "--tag", "autoshrink-test", "--file", str(DOCKERFILE), str(ROOT)]
    assert page_says("A container image") <= set(build)
    subprocess.run(build, check=True, timeout=1800)
    subprocess.run(["docker", "run", "--rm", "autoshrink-test", "autoshrink", "--version"], check=True, timeout=60)


def test_steps_run_in_the_image_where_it_is_asked_for(tmp_path: Path) -> None:
    """Each step is started by the container program with the image's name; without that option none is."""
    folder = Folder.new(tmp_path / "run").overlaid("{compute: {container: autoshrink.sif}, tasks: [cnn]}")
    (folder.path / "autoshrink.sif").touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    images = tmp_path / "images"
    text = APPTAINER.replace("IMAGES", str(images)).replace("IN_IMAGE", str(ROOT / "workflow/bin"))
    (programs / "apptainer").write_text(text)
    (programs / "apptainer").chmod(0o755)
    goal = f"{RESULTS}/cnn/shrink-0/round-00/round.json"
    command = [sys.executable, "-m", "snakemake", goal, "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    command += ["--configfile", *map(str, folder.overlays)]
    settings = environment() | {"PATH": f"{programs}:{environment()['PATH']}"}

    def run(*options: str) -> None:
        done = subprocess.run([*command, *options], cwd=folder.path, env=settings, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]

    run()
    assert (folder.path / goal).exists() and not images.exists()
    (folder.path / goal).unlink()
    run("--software-deployment-method", "apptainer")
    assert (folder.path / goal).exists()
    assert [Path(line).name for line in images.read_text().splitlines()] == ["autoshrink.sif"]


@pytest.mark.slow
def test_a_round_on_kubernetes(tmp_path: Path, finished: Folder) -> None:
    """The profile's manifests ask for the image, the volume, CPUs, memory and a GPU; the pods make the local bytes."""
    pytest.importorskip("snakemake_executor_plugin_kubernetes")
    folder = Folder.new(tmp_path / "run").overlaid("{tasks: [cnn], search: {slots_per_job: 5}}")
    pods = tmp_path / "pods"
    pods.mkdir()
    command = [
        sys.executable, str(Path(__file__).parent / "stand_in_kubernetes.py"), ROUND,
        "--snakefile", str(ROOT / "Snakefile"), "--configfile", *map(str, folder.overlays),
        "--profile", str(ROOT / "workflow/profiles/kubernetes"), "--container-image", IMAGE,
        "--autoshrink-kubernetes-persistent-volumes", f"autoshrink:{tmp_path}", "--set-resources", "evaluate:gpu=1",
        "--seconds-between-status-checks", "1", "--latency-wait", "5",
    ]  # fmt: skip
    assert page_says("Kubernetes") <= set(command)
    settings = environment() | {"STAND_IN_PODS": str(pods)}
    done = subprocess.run(command, cwd=folder.path, env=settings, capture_output=True, text=True, timeout=600)
    logs = "".join(file.read_text()[-2000:] for file in pods.glob("*.log"))
    assert done.returncode == 0, done.stderr[-3000:] + logs
    manifests = [json.loads(file.read_text()) for file in sorted(pods.glob("*.json"))]
    assert len(manifests) == 2, "preparing and evaluating; what takes a moment runs where Snakemake runs"
    for manifest, gpus in zip(manifests, ("0", "1"), strict=True):
        pod = manifest["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"] == IMAGE
        assert {"name": "autoshrink", "mountPath": str(tmp_path)} in container["volumeMounts"]
        assert {"name": "autoshrink", "persistentVolumeClaim": {"claimName": "autoshrink"}} in pod["volumes"]
        asked, limits = container["resources"]["requests"], container["resources"]["limits"]
        assert asked["nvidia.com/gpu"] == limits["nvidia.com/gpu"] == gpus
        assert asked["memory"] == limits["memory"] and int(asked["memory"].removesuffix("M")) >= 500
        assert limits["cpu"] == "1000m"
    made, local = folder.digests(), finished.digests()
    assert made[ROUND] == local[ROUND]


@pytest.fixture
def s3() -> Iterator[tuple[str, dict[str, str]]]:
    """A server with S3's interface and an empty bucket: its address, and an environment with its keys."""
    server_of = pytest.importorskip("moto.server")
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("snakemake_storage_plugin_s3")
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=address, **keys).create_bucket(Bucket="lab")
    of_plugin = {"ACCESS_KEY": "key", "SECRET_KEY": "secret"}
    yield address, {f"SNAKEMAKE_STORAGE_S3_{name}": value for name, value in of_plugin.items()}
    server.stop()


@pytest.mark.slow
def test_a_run_goes_to_s3_and_back(tmp_path: Path, finished: Folder, s3: tuple[str, dict[str, str]]) -> None:
    """`publish` puts a run there, `fetch` brings it to an empty folder byte for byte, where nothing is left to do; what
    the user has there already is not overwritten."""
    address, keys = s3
    where = "paths: {storage: 's3://lab/runs/smoke'}"
    here = finished.copied(tmp_path / "here").overlaid(where)
    there = Folder.new(tmp_path / "there").overlaid(where)
    (there.path / RESULTS).mkdir()
    (there.path / RESULTS / "README.md").write_text("mine")
    options = ["--storage-s3-endpoint-url", address]

    typed = {"ARGS"}  # of make restore, which touches as below

    def snakemake(folder: Folder, *words: str, snakefile: str = "Snakefile") -> str:
        command = [sys.executable, "-m", "snakemake", *words, "--snakefile", str(ROOT / snakefile), "--cores", "1"]
        command += ["--configfile", *map(str, folder.overlays), *options]
        typed.update(command, keys)
        settings = environment() | keys
        done = subprocess.run(command, cwd=folder.path, env=settings, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    snakemake(here, "publish")
    snakemake(there, snakefile="workflow/fetch.smk")
    assert there.digests() == here.digests() == finished.digests()
    assert (there.path / RESULTS / "README.md").read_text() == "mine"
    assert page_says("Object storage") <= typed
    snakemake(there, "all", "--touch", "--forceall")
    assert "Nothing to be done" in snakemake(there, "all", "--dry-run")
