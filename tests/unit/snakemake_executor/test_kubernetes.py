"""The Kubernetes executor where Snakemake's own plugin is not installed."""

import importlib
import sys

import pytest
from snakemake_interface_common.exceptions import WorkflowError

import snakemake_executor_plugin_autoshrink_kubernetes as plugin


def test_without_the_plugin_other_runs_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake imports it all the same; who asks for it is told what to install, and that its files are shared."""
    monkeypatch.setitem(sys.modules, "snakemake_executor_plugin_kubernetes", None)
    bare = importlib.reload(plugin)
    assert not bare.common_settings.implies_no_shared_fs
    with pytest.raises(WorkflowError, match="needs the package snakemake-executor-plugin-kubernetes"):
        bare.Executor(None, None)
    monkeypatch.undo()
    importlib.reload(plugin)
