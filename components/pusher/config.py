"""The config of the Pusher."""

from __future__ import annotations

from pydantic import Field

from models.spec import Spec


class PushSpec(Spec):
    """Where blessed models go: `<root>/<name>/<version>/`."""

    root: str = "serving_models"
    warmup_rows: int = Field(16, ge=1, le=1000)
    tolerance: float = Field(1e-5, gt=0)
