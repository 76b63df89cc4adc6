"""Snakemake's Kubernetes plugin for a checkout on a volume that all jobs mount.

The plugin itself takes it that jobs and Snakemake share no files, and then demands an object store. Snakemake finds
plugins by the names of installed packages, so `make kubernetes` copies this one beside the plugin.
"""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import snakemake_executor_plugin_kubernetes as plugin
from snakemake_executor_plugin_kubernetes import ExecutorSettings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

common_settings = replace(
    plugin.common_settings,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    auto_deploy_default_storage_provider=False,
)


class Executor(plugin.Executor):  # type: ignore[misc]
    """Runs each job in the folder that Snakemake was started in; the plugin's own is an empty one."""

    def get_job_exec_prefix(self, job: Any) -> str:  # noqa: ARG002
        """Return the command that goes before that of a job."""
        return f"cd {shlex.quote(str(Path.cwd()))}"
