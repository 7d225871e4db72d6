"""The config of the Tracker."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from pydantic import field_validator

from contracts.spec import Spec

# Where the runner says which run it is; a parameter of the Tracker would defeat the cache.
RUN_VARIABLE = "KELP_RUN"
# And when that run began, in milliseconds since 1970.
STARTED_VARIABLE = "KELP_RUN_STARTED"


class TrackingSpec(Spec):
    """Where MLflow is; `MLFLOW_TRACKING_URI` overrides `uri`."""

    enabled: bool = True
    uri: str = "sqlite:///runs/mlflow.db"
    experiment: str | None = None

    @field_validator("uri")
    @classmethod
    def _without_password(cls, uri: str) -> str:
        if urlsplit(uri).password:
            raise ValueError(
                "the address of MLflow has a password in it: remove it, and set the environment "
                "variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or, for a "
                "database, MLFLOW_TRACKING_URI"
            )
        return uri


def tracking_uri(spec: TrackingSpec) -> str:
    """The config's MLflow, unless the environment names another."""
    return os.environ.get("MLFLOW_TRACKING_URI") or spec.uri
