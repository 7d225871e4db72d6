"""The config of the Pusher."""

from __future__ import annotations

from pydantic import Field

from contracts.spec import Spec
from contracts.storage.location import Place


class PushSpec(Spec):
    """Where blessed models go: local folders, or places in a bucket (`s3://`, `gs://`).

    Attributes:
      root: SavedModels: `<root>/<name>/<version>/`, variants `<root>/<name>-<variant>/<version>/`.
      artifacts: TFLite and ONNX: `<artifacts>/<name>/<version>/<variant>/`.
      warmup_rows: The warm-up requests of a SavedModel.
      tolerance: How far the candidate may be from Keras on golden rows.
    """

    root: Place = "serving_models"
    artifacts: Place = "artifacts"
    warmup_rows: int = Field(16, ge=1, le=1000)
    tolerance: float = Field(1e-5, gt=0)
