"""What one writes in an afternoon to serve a model: FastAPI, pydantic, the signature's call.

Run as `python -m bench.serving_peer FOLDER PORT`.
"""

from __future__ import annotations

import sys
from typing import Any

import tensorflow as tf
import uvicorn
from fastapi import FastAPI
from pydantic import create_model

from bench.serving_model import columns

_TYPES: dict[str, Any] = {"float32": (float, ...), "int64": (int, ...), "string": (str, ...)}

Row = create_model("Row", **{name: _TYPES[dtype] for name, dtype in columns().items()})
Body = create_model("Body", instances=(list[Row], ...))  # type: ignore[valid-type]


def make_app(folder: str) -> FastAPI:
    """The application over one SavedModel."""
    app = FastAPI()
    model = tf.saved_model.load(folder)
    signature = model.signatures["serving_default"]

    @app.post("/v1/models/bench:predict")
    def predict(body: Body) -> dict[str, Any]:  # type: ignore[valid-type]
        inputs = {
            name: tf.constant([getattr(row, name) for row in body.instances], dtype)  # type: ignore[attr-defined]
            for name, dtype in columns().items()
        }
        outputs = {name: each.numpy().tolist() for name, each in signature(**inputs).items()}
        return {
            "predictions": [
                dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)
            ]
        }

    app.state.model = model
    return app


if __name__ == "__main__":
    uvicorn.run(make_app(sys.argv[1]), port=int(sys.argv[2]), access_log=False, log_level="error")
