"""Snakemake's Kubernetes plugin for a checkout on a volume that all jobs mount.

The plugin itself assumes that jobs and Snakemake share no files, and then demands an object store. Snakemake finds
plugins by the names of installed packages, so `make kubernetes` copies this one beside the plugin.
"""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import snakemake_executor_plugin_kubernetes as plugin
from kubernetes import client
from snakemake_executor_plugin_kubernetes import ExecutorSettings

__all__ = ["Executor", "ExecutorSettings", "common_settings"]

common_settings = replace(
    plugin.common_settings,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    auto_deploy_default_storage_provider=False,
)


class Pods(client.CoreV1Api):  # type: ignore[misc]
    """The pods of jobs, as the plugin expects to find them."""

    def list_namespaced_pod(self, *args: Any, **kwargs: Any) -> Any:
        """Return only the newest pod. Kubernetes may replace one that was deleted; the plugin allows one per job."""
        pods = super().list_namespaced_pod(*args, **kwargs)
        pods.items = sorted(pods.items, key=lambda pod: pod.metadata.creation_timestamp)[-1:]
        return pods

    def read_namespaced_pod_log(self, *args: Any, previous: bool = False, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return the pod's log. The plugin asks for that of a container before it, which jobs never have."""
        try:
            return super().read_namespaced_pod_log(*args, **kwargs)
        except client.ApiException as error:
            return f"Kubernetes has no log of this pod: {error.reason}"


class Jobs(client.BatchV1Api):  # type: ignore[misc]
    """Jobs with what stages need beyond cores and memory."""

    def create_namespaced_job(self, namespace: str, body: Any) -> Any:
        """Create a job with shared memory for PyTorch, and with a short time to stop.

        PyTorch's workers pass images through shared memory, of which a container has 64 MB. Snakemake answers the
        signal to stop by waiting for its stage, which may as well be killed: the next run takes it up again.
        """
        pod = body.spec.template.spec
        pod.termination_grace_period_seconds = 1
        pod.volumes.append(client.V1Volume(name="shm", empty_dir=client.V1EmptyDirVolumeSource(medium="Memory")))
        pod.containers[0].volume_mounts.append(client.V1VolumeMount(name="shm", mount_path="/dev/shm"))  # noqa: S108
        return super().create_namespaced_job(namespace, body)


class Executor(plugin.Executor):  # type: ignore[misc]
    """Runs each job in the folder that Snakemake was started in; the plugin's own is an empty one."""

    def __post_init__(self) -> None:
        """Connect to the cluster."""
        super().__post_init__()
        self.kubeapi = Pods()
        self.batchapi = Jobs()

    def get_job_exec_prefix(self, job: Any) -> str:  # noqa: ARG002
        """Return the command that goes before that of a job."""
        return f"cd {shlex.quote(str(Path.cwd()))}"

    def report_job_error(self, job_info: Any, *args: Any, **kwargs: Any) -> None:
        """Report a failed job and delete it. If its pod was deleted, Kubernetes may have started another."""
        if not self.workflow.executor_settings.omit_job_cleanup:
            self.safe_delete_job(job_info.external_jobid)
        super().report_job_error(job_info, *args, **kwargs)

    def safe_delete_job(self, jobid: str, ignore_not_found: bool = True) -> None:
        """Delete a job with its pods. Kubernetes ignores the policy that the plugin sends, and lets the pods run."""
        try:
            self.batchapi.delete_namespaced_job(
                jobid, self.namespace, body=client.V1DeleteOptions(propagation_policy="Foreground")
            )
        except client.ApiException as error:
            if error.status != 404 or not ignore_not_found:
                raise
