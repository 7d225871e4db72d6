"""A schedule as Argo's CronWorkflow."""

from __future__ import annotations

from typing import Any

from pipelines.schedules.job import Job
from pipelines.schedules.pod import config_map, container, metadata, pod, to_yaml

_LATE_S = 3600
_DONE_S = 7 * 86400


def manifest(job: Job) -> str:
    """Gives the CronWorkflow and the config that it mounts, as YAML for `kubectl apply`."""
    return to_yaml(config_map(job), cron_workflow(job))


def cron_workflow(job: Job) -> dict[str, Any]:
    """The CronWorkflow: one run at a time, a time limit, retries, and an alert at its end."""
    spec: dict[str, Any] = {
        "schedules": [str(job.cron)],
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": _LATE_S,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "workflowMetadata": {"labels": metadata(job)["labels"]},
        "workflowSpec": _workflow(job),
    }
    if job.timezone is not None:
        spec["timezone"] = job.timezone
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": metadata(job),
        "spec": spec,
    }


def _workflow(job: Job) -> dict[str, Any]:
    described = pod(job)
    selector = described.pop("nodeSelector", None)
    template: dict[str, Any] = {
        "name": "run",
        "container": container(job, alerts=False),
        "retryStrategy": {"limit": str(job.loaded.config.kubeflow.resources_of("").retries)},
    }
    if selector:
        template["nodeSelector"] = selector
    failed = {"name": "alert", "template": "alert", "when": "{{workflow.status}} != Succeeded"}
    return {
        "entrypoint": "run",
        "onExit": "after",
        "activeDeadlineSeconds": job.timeout_s,
        "ttlStrategy": {"secondsAfterCompletion": _DONE_S},
        **described,
        "templates": [
            template,
            {"name": "after", "steps": [[failed]]},
            {"name": "alert", "container": _alert(job)},
        ],
    }


def _alert(job: Job) -> dict[str, Any]:
    """The container that alerts: it says what failed, and does what `on_failure` says."""
    script = 'echo "$1" >&2; ' + (job.on_failure or "true")
    return {
        "name": "alert",
        "image": job.loaded.config.kubeflow.image,
        "command": ["sh", "-c", script, "alert", job.message],
        "env": container(job, alerts=False)["env"],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    }
