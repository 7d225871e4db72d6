"""The pod of a scheduled run, as Kubernetes' CronJob and Argo's workflow have it."""

from __future__ import annotations

from typing import Any

import yaml

from contracts.errors import ConfigError
from pipelines.kubeflow.carried import carried_files, carried_overrides
from pipelines.kubeflow.config import ResourcesSpec, VolumeStorage
from pipelines.kubeflow.storage import storage_overrides, working_folder
from pipelines.schedules.job import Job

_CONFIG_FOLDER = "/etc/kelp"
_USER = 10001  # of docker/Dockerfile
_LONGEST_NAME = 52


def config_map(job: Job) -> dict[str, Any]:
    """The object that holds the config and what travels with it."""
    files = carried_files(job.loaded)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(job),
        "data": {_key(number): text for number, text in enumerate(files.values())},
    }


def metadata(job: Job) -> dict[str, Any]:
    """The name that all objects of a schedule have.

    Raises:
      ConfigError: Kubernetes adds a time to it, and takes no longer one.
    """
    if len(job.name) > _LONGEST_NAME:
        raise ConfigError(
            "The name is too long for a schedule on Kubernetes.",
            where=f"{job.loaded.path}, key name",
            expected=f"at most {_LONGEST_NAME - len('kelp-')} characters",
            received=job.loaded.config.name,
        )
    return {
        "name": job.name,
        "namespace": job.loaded.config.kubeflow.namespace,
        "labels": {"app.kubernetes.io/name": "kelp", "app.kubernetes.io/instance": job.name},
    }


def container(job: Job, *, alerts: bool) -> dict[str, Any]:
    """The container of a run.

    Args:
      job: What to run.
      alerts: Whether its own command does what `on_failure` says.
    """
    config = job.loaded.config.kubeflow
    command = [
        *("kelp", "run", f"{_CONFIG_FOLDER}/{job.loaded.path.name}"),
        *carried_overrides(job.loaded),
        *storage_overrides(job.loaded),
    ]
    if alerts and job.on_failure is not None:
        script = f'"$@" || {{ status=$?; {job.on_failure}; exit $status; }}'
        command = ["sh", "-c", script, "kelp", *command]
    resources = config.resources_of("")
    described: dict[str, Any] = {
        "name": "kelp",
        "image": config.image,
        "command": command,
        "env": [
            {
                "name": variable,
                "valueFrom": {"secretKeyRef": {"name": secret.name, "key": key}},
            }
            for secret in config.secrets
            for key, variable in secret.env.items()
        ],
        "resources": _resources(resources),
        "volumeMounts": [{"name": "config", "mountPath": _CONFIG_FOLDER, "readOnly": True}],
    }
    if isinstance(config.storage, VolumeStorage):
        described["workingDir"] = working_folder(job.loaded)
        described["volumeMounts"].append({"name": "storage", "mountPath": config.storage.path})
    return described


def pod(job: Job) -> dict[str, Any]:
    """All of the pod but its containers."""
    config = job.loaded.config.kubeflow
    paths = [
        {"key": _key(number), "path": path} for number, path in enumerate(carried_files(job.loaded))
    ]
    volumes: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": job.name, "items": paths}}
    ]
    if isinstance(config.storage, VolumeStorage):
        claim = {"claimName": config.storage.claim}
        volumes.append({"name": "storage", "persistentVolumeClaim": claim})
    described: dict[str, Any] = {
        "securityContext": {"runAsUser": _USER, "runAsGroup": _USER, "fsGroup": _USER},
        "volumes": volumes,
    }
    selector = config.resources_of("").node_selector
    if selector:
        described["nodeSelector"] = selector
    if config.service_account is not None:
        described["serviceAccountName"] = config.service_account
    return described


def to_yaml(*objects: dict[str, Any]) -> str:
    """Gives objects as YAML, texts of several lines as such."""
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """PyYAML's, with long texts as they are written, and no anchors."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _as_block)


def _key(number: int) -> str:
    return f"file-{number}"


def _resources(resources: ResourcesSpec) -> dict[str, Any]:
    requests = {"cpu": resources.cpu, "memory": resources.memory}
    limits: dict[str, Any] = {"memory": resources.memory}
    if resources.gpu:
        limits[resources.gpu_resource] = str(resources.gpu)
    if resources.tpu:
        limits["google.com/tpu"] = str(resources.tpu)
    return {"requests": requests, "limits": limits}
