"""A TFLite or ONNX file and its `artifact.json`, served as the network's SavedModel is.

It takes raw columns and gives the same outputs, so that a phone's model can be tried by REST.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from contracts.arrays import Array
from contracts.artifact import Artifact, ArtifactModel
from contracts.columns import MISSING_INT, MISSING_TEXT
from contracts.errors import DataError
from contracts.preparations.images import ImageFeature
from contracts.preparations.text import TextFeature
from serving.codec.signature import DEFAULT_SIGNATURE, Port, Signature
from serving.errors import ServingError
from serving.images import image_error, refused_image
from serving.texts import check_texts

_MISSING: Mapping[str, Any] = {
    "float32": np.nan,
    "int64": MISSING_INT,
    "string": MISSING_TEXT.encode(),
}
_DT = {"float32": "DT_FLOAT", "int64": "DT_INT64", "string": "DT_STRING"}


class ArtifactServable:
    """One model file, loaded with one thread; see `serving.servable.Servable`.

    Args:
      folder: The version's folder: `artifact.json` and the model file.

    Raises:
      ModelError: The description cannot be read, or the file is not the one it describes.
    """

    def __init__(self, folder: Path) -> None:
        model = ArtifactModel(folder)
        self._model: ArtifactModel | None = model
        # An interpreter serves one caller at a time; batches of a slow model come from threads.
        self._lock = threading.Lock()
        signature = _signature(model.artifact)
        self.steady = (signature.name,) if model.steady else ()
        self.signatures: Mapping[str, Signature] = {signature.name: signature}
        self.metadata: Mapping[str, Any] = _metadata(signature)
        inputs = [
            (name, feature)
            for feature in model.artifact.preparation.features
            for name in feature.inputs
        ]
        self._text_limits = {
            name: feature.max_bytes for name, feature in inputs if isinstance(feature, TextFeature)
        }
        self._image_limits = {
            name: feature.max_pixels
            for name, feature in inputs
            if isinstance(feature, ImageFeature)
        }

    def run(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Answers raw columns with what `serving_default` gives.

        Raises:
          ServingError: There is no such signature, an image cannot be decoded, a text cannot be
            taken, or the model was unloaded.
        """
        if signature not in self.signatures:
            raise ServingError(404, f"Serving signature name: {signature!r} not found")
        check_texts(inputs, self._text_limits)
        with self._lock:
            if self._model is None:
                raise ServingError(503, "The model was unloaded")
            try:
                return self._model.answers(self._model.predict(inputs))
            except DataError as error:
                # The error counts rows from the part that was being prepared.
                found = image_error(inputs, self._image_limits)
                raise found or refused_image(error) from error

    def warm_up(self) -> int:
        """Runs a row in which everything is missing; no requests travel with such a file."""
        ports = self.signatures[DEFAULT_SIGNATURE].inputs
        row = {
            name: np.full([1, *(port.shape or ())[1:]], _MISSING[port.dtype], port.numpy)
            for name, port in ports.items()
        }
        self.run(DEFAULT_SIGNATURE, row)
        return 0

    def close(self) -> None:
        """Lets go of the interpreter, once no call is in it."""
        with self._lock:
            self._model = None


def _signature(artifact: Artifact) -> Signature:
    inputs = [
        Port(name, taken.dtype, (None, *taken.shape)) for name, taken in artifact.ports.items()
    ]
    if artifact.task == "regression":
        outputs = [Port("predictions", "float32", (None,))]
    elif artifact.task == "forecast":
        steps, levels = artifact.horizon, len(artifact.quantiles)
        outputs = [
            Port("predictions", "float32", (None, steps)),
            Port("quantiles", "float32", (None, steps, levels)),
        ]
    else:
        kind = "string" if isinstance(artifact.classes[0], str) else "int64"
        width = (None, len(artifact.classes)) if artifact.task == "multiclass" else (None,)
        last = "scores" if artifact.task == "multiclass" else "decisions"
        outputs = [
            Port("probabilities", "float32", width),
            Port("classes", kind, (None,)),
            Port(last, "float32", (None,)),
        ]
    return Signature(
        DEFAULT_SIGNATURE,
        {port.name: port for port in sorted(inputs, key=attrgetter("name"))},
        {port.name: port for port in sorted(outputs, key=attrgetter("name"))},
    )


def _metadata(signature: Signature) -> dict[str, Any]:
    """The signature in the form in which TensorFlow Serving writes its protocol buffer."""
    definition = {
        "inputs": {name: _tensor_info(port) for name, port in signature.inputs.items()},
        "outputs": {name: _tensor_info(port) for name, port in signature.outputs.items()},
        "method_name": signature.method,
        "defaults": {},
    }
    return {"signature_def": {"signature_def": {signature.name: definition}}}


def _tensor_info(port: Port) -> dict[str, Any]:
    sizes = [-1 if size is None else size for size in port.shape or ()]
    return {
        "dtype": _DT[port.dtype],
        "tensor_shape": {
            "dim": [{"size": str(size), "name": ""} for size in sizes],
            "unknown_rank": False,
        },
        "name": port.name,
    }
