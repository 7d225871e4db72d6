"""Which MLflow, and which of its models, a command is about."""

from __future__ import annotations

from pathlib import Path

from components.tracker.config import TrackingSpec, tracking_uri
from pipelines.config.problem import load_config


def mlflow_of(target: str | None) -> tuple[str, str | None]:
    """Gives the URI of MLflow and the name of the model.

    Args:
      target: A config, the name of a model, or None for all models.
    """
    if target is not None and Path(target).suffix in (".yaml", ".yml"):
        config = load_config(Path(target)).config
        return tracking_uri(config.tracking), config.name
    return tracking_uri(TrackingSpec()), target
