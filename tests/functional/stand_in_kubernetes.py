"""Stands in for a Kubernetes: runs Snakemake with a client whose pods are processes of this machine.

A pod has its manifest's command and an environment that is as bare as an image's; the manifest is kept, as the client
would send it, in the folder STAND_IN_PODS.
"""

import base64
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kubernetes
from snakemake.cli import main

PODS = Path(os.environ["STAND_IN_PODS"])


class Core:
    """Secrets and pods."""

    def list_namespaced_pod(self, **_: object) -> SimpleNamespace:
        """Return the pods of a job: jobs are asked themselves."""
        return SimpleNamespace(items=[])

    secrets: dict[str, str] = {}

    def create_namespaced_secret(self, namespace: str, secret: Any) -> None:
        """Keep what pods are given as environment."""
        self.secrets.update({key: base64.b64decode(value).decode() for key, value in secret.data.items()})

    def delete_namespaced_secret(self, *_: object, **__: object) -> None:
        """Forget nothing."""


class Batch:
    """Jobs."""

    jobs: dict[str, "subprocess.Popen[bytes]"] = {}
    number = itertools.count()

    def create_namespaced_job(self, namespace: str, body: Any) -> None:
        """Start a job's pod."""
        manifest = kubernetes.client.ApiClient().sanitize_for_serialization(body)
        place = PODS / f"{next(self.number)}.json"
        place.write_text(json.dumps(manifest))
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        of_image = {
            key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH", "OMP_NUM_THREADS") if key in os.environ
        }
        for given in container["env"]:
            of_image[given["name"]] = Core.secrets[given["valueFrom"]["secretKeyRef"]["key"]]
        with place.with_suffix(".log").open("wb") as log:
            words = [*container["command"], *container["args"]]
            self.jobs[str(body.metadata.name)] = subprocess.Popen(words, cwd=PODS, env=of_image, stdout=log, stderr=log)

    def read_namespaced_job_status(self, name: object, namespace: str) -> SimpleNamespace:
        """Return how many of a job's pods have ended well and badly."""
        status = self.jobs[str(name)].poll()
        return SimpleNamespace(status=SimpleNamespace(succeeded=int(status == 0), failed=int(status not in (None, 0))))

    def delete_namespaced_job(self, name: object, *_: object, **__: object) -> None:
        """End a job."""
        self.jobs[str(name)].kill()


if __name__ == "__main__":
    kubernetes.config.load_kube_config = lambda: None
    kubernetes.client.CoreV1Api, kubernetes.client.BatchV1Api = Core, Batch
    main(sys.argv[1:])
