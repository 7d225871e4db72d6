"""Writes the config files of a real TensorFlow Serving, from the embedded server's config.

So production serves the same models by the same policies and within the same limits as a
laptop. `models.config` is shared with `kelp release`, which rewrites versions and labels in it.
"""

from __future__ import annotations

from pathlib import Path

from contracts.errors import EnvironmentProblem
from contracts.files import write_atomically
from serving.config import ModelSpec, PolicySpec, ServingSpec
from serving.release.config_file import CONFIG_FILE, ModelEntry, read_config, write_config
from serving.release.state import STABLE
from serving.versions.folders import versions_in

BATCHING_FILE = "batching.config"
MONITORING_FILE = "monitoring.config"
METRICS_PATH = "/monitoring/prometheus/metrics"


def write_server_files(
    folder: Path, models_root: Path, spec: ServingSpec, base: str = "/models"
) -> list[str]:
    """Writes `models.config`, `batching.config` and `monitoring.config`.

    A model that the file there already names keeps its versions and labels: a release may
    have set them. Any other is served in its newest version, as `stable`, until a release
    changes that, unless the config names a policy: what is pushed next must not take all
    traffic before it was tried.

    Args:
      folder: Where to write; it is made where it is missing.
      models_root: Its folders with a version in them are the models.
      spec: Policies, labels and limits.
      base: The models root as the server sees it.

    Returns:
      The models' names.

    Raises:
      EnvironmentProblem: There is no model, or a file cannot be read or written.
    """
    names = _models(models_root)
    models_file = folder / CONFIG_FILE
    before = read_config(models_file) if models_file.is_file() else {}
    entries = [
        before.get(name) or _entry(models_root / name, spec, f"{base.rstrip('/')}/{name}")
        for name in names
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / BATCHING_FILE, batching_text(spec))
        write_atomically(folder / MONITORING_FILE, monitoring_text())
    except OSError as error:
        raise EnvironmentProblem(
            "The config files of TensorFlow Serving cannot be written.",
            where=str(folder),
            expected="a folder that this user may write",
            received=str(error),
            fix="correct the permissions, or name another folder",
        ) from error
    write_config(models_file, entries)
    return names


def batching_text(spec: ServingSpec) -> str:
    """`batching.config`: the text form of `tensorflow.serving.BatchingParameters`.

    As in the embedded server, nothing waits for company: what queued up while a batch ran is
    the next batch. A request of more rows than a batch is cut, so that it may be as large.
    """
    return "".join(
        f"{key} {{ value: {value} }}\n"
        for key, value in (
            ("max_batch_size", max(spec.limits.rows, spec.batching.rows)),
            ("max_execution_batch_size", spec.batching.rows),
            ("enable_large_batch_splitting", "true"),
            ("batch_timeout_micros", 0),
            ("max_enqueued_batches", spec.batching.queue),
        )
    )


def monitoring_text() -> str:
    """`monitoring.config`: the text form of `tensorflow.serving.MonitoringConfig`."""
    return f'prometheus_config {{ enable: true path: "{METRICS_PATH}" }}\n'


def _models(root: Path) -> list[str]:
    folders = sorted(root.iterdir()) if root.is_dir() else []
    names = [folder.name for folder in folders if _versions(folder)]
    if not names:
        raise EnvironmentProblem(
            "There is no model to serve.",
            where=str(root),
            expected="<name>/<version>/saved_model.pb",
            received=", ".join(folder.name for folder in folders[:5]) or "nothing",
            fix="`kelp run CONFIG` trains a model and pushes it there",
        )
    return names


def _versions(folder: Path) -> list[int]:
    found = (versions_in(folder) or {}).values()
    return [one.version for one in found if (one.path / "saved_model.pb").is_file()]


def _entry(folder: Path, spec: ServingSpec, base: str) -> ModelEntry:
    model = spec.models.get(folder.name, ModelSpec())
    policy: PolicySpec | None = model.policy
    if policy is None and "policy" in spec.model_fields_set:
        policy = spec.policy
    if policy is None:
        newest = max(_versions(folder))
        labels = {STABLE: newest, **model.labels}
        return ModelEntry(
            folder.name, base, versions=tuple({newest, *labels.values()}), labels=labels
        )
    return ModelEntry(
        name=folder.name,
        base_path=base,
        latest=policy.count,
        versions=policy.versions,
        every=policy.kind == "all",
        labels=dict(model.labels),
    )
