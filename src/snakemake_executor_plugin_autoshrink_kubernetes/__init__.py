"""`executor: autoshrink-kubernetes`: Snakemake's Kubernetes executor for pods that share a volume.

Snakemake finds this package by its name. Submission is snakemake-executor-plugin-kubernetes's; its settings have the
same names after `--autoshrink-kubernetes-`. What differs: that plugin takes it for granted that pods share no file
system, and sends each declared file through object storage, which leaves the store of evaluations, records and
checkpoints behind. Here they lie on a volume that Snakemake sees at the same path; pods work in its folder, and read
the parameters as the run was started with them.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase

try:
    import snakemake_executor_plugin_kubernetes as theirs
except ImportError:  # Snakemake imports all plugins that it finds, whichever is asked for
    theirs = None

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

PARAMETERS = "AUTOSHRINK_PARAMS"

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    pass_envvar_declarations_to_cmd=False,
)
if theirs is not None:
    common_settings = replace(
        theirs.common_settings,
        implies_no_shared_fs=False,
        job_deploy_sources=False,
        auto_deploy_default_storage_provider=False,
    )


@dataclass
class ExecutorSettings(ExecutorSettingsBase if theirs is None else theirs.ExecutorSettings):  # type: ignore[misc]
    """The settings of Snakemake's Kubernetes executor."""


class Executor(RemoteExecutor if theirs is None else theirs.Executor):  # type: ignore[misc]
    """Submits as Snakemake's Kubernetes executor does."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        """Make the executor. Raises WorkflowError where the plugin is not installed."""
        if theirs is None:
            raise WorkflowError("executor autoshrink-kubernetes needs the package snakemake-executor-plugin-kubernetes")
        return super().__new__(cls)

    def get_job_exec_prefix(self, job: Any) -> str:
        """Return what a pod does before a job: it begins in a folder of its own."""
        return f"cd {shlex.quote(str(Path.cwd()))}"

    def envvars(self) -> Mapping[str, Any]:
        """Return the environment that pods are given: also which parameters the run was started with."""
        given = {PARAMETERS: os.environ[PARAMETERS]} if PARAMETERS in os.environ else {}
        return {**super().envvars(), **given}
