"""A schedule as Kubernetes' CronJob."""

from __future__ import annotations

from typing import Any

from pipelines.schedules.job import GRACE_S, Job
from pipelines.schedules.pod import config_map, container, metadata, pod, to_yaml

_LATE_S = 3600


def manifest(job: Job) -> str:
    """Gives the CronJob and the config that it mounts, as YAML for `kubectl apply`."""
    return to_yaml(config_map(job), cron_job(job))


def cron_job(job: Job) -> dict[str, Any]:
    """The CronJob: one run at a time, ended when it takes too long, tried again, kept to look at.

    A job that failed stays: kube-state-metrics reports it as `kube_job_status_failed`.
    """
    spec: dict[str, Any] = {
        "schedule": str(job.cron),
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": _LATE_S,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 3,
        "jobTemplate": {
            "metadata": {"labels": metadata(job)["labels"]},
            "spec": {
                "activeDeadlineSeconds": job.timeout_s,
                "backoffLimit": job.loaded.config.kubeflow.resources_of("").retries,
                "template": {
                    "metadata": {"labels": metadata(job)["labels"]},
                    "spec": {
                        "restartPolicy": "Never",
                        "terminationGracePeriodSeconds": GRACE_S,
                        **pod(job),
                        "containers": [container(job, alerts=True)],
                    },
                },
            },
        },
    }
    if job.timezone is not None:
        spec["timeZone"] = job.timezone
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata(job), "spec": spec}
