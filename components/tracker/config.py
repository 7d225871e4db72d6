"""The config of the Tracker."""

from __future__ import annotations

from models.spec import Spec


class TrackingSpec(Spec):
    """Where MLflow is; `MLFLOW_TRACKING_URI` overrides `uri`."""

    enabled: bool = True
    uri: str = "sqlite:///runs/mlflow.db"
    experiment: str | None = None
