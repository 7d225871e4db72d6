"""A TFLite or ONNX file and its `artifact.json`, answering as the network's SavedModel does.

It takes raw columns and gives the same outputs, so that a phone's model can be tried by REST.
No TensorFlow: LiteRT or ONNX Runtime executes, and numpy prepares.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from contracts.errors import ModelError
from serving._runtimes import Loaded, load_lite, load_onnx
from serving.codec.signature import DEFAULT_SIGNATURE, Port, Signature
from serving.errors import ServingError
from serving.preparation import Array, Preparation, RawFeature

ARTIFACT_FILE = "artifact.json"

_ROWS_AT_ONCE = 1024
_RUNTIMES: Mapping[str, tuple[str, Callable[[bytes], Loaded]]] = {
    "tflite": ("LiteRT", load_lite),
    "onnx": ("ONNX Runtime", load_onnx),
}
_MISSING: Mapping[str, Any] = {"float32": np.nan, "int64": -(2**63), "string": b""}
_DT = {"float32": "DT_FLOAT", "int64": "DT_INT64", "string": "DT_STRING"}


class _Input(BaseModel):
    model_config = ConfigDict(frozen=True)

    feature: str
    tensor: str
    dtype: Literal["float32", "int32", "int64"]
    width: int


class _Preparation(BaseModel):
    model_config = ConfigDict(frozen=True)

    features: tuple[RawFeature, ...]


class Description(BaseModel):
    """What `artifact.json` says, as far as serving goes.

    Attributes:
      format: The format of the file.
      file: The model file's name, beside the description.
      sha256: Of the model file.
      task: What is predicted.
      classes: The label's classes in the order of their ids; empty for regression.
      threshold: The operating threshold; binary only.
      inputs: The file's inputs: the feature, its tensor, type and width.
      output: The output's name.
      preparation: How raw columns become the inputs.
    """

    model_config = ConfigDict(frozen=True)

    format: str
    file: str
    sha256: str
    task: Literal["binary", "multiclass", "regression"]
    classes: tuple[int | str, ...]
    threshold: float | None
    inputs: tuple[_Input, ...]
    output: str
    preparation: _Preparation

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        if Path(self.file).name != self.file:
            raise ValueError(f"file is {self.file!r}, which is not the name of a file beside it")
        if len({type(value) for value in self.classes}) > 1:
            raise ValueError("classes are integers and text")
        if self.task == "binary" and (len(self.classes) != 2 or self.threshold is None):
            raise ValueError("a binary model has two classes and a threshold")
        if self.task == "multiclass" and len(self.classes) < 2:
            raise ValueError("a multiclass model has two classes or more")
        return self


class ArtifactServable:
    """One model file, loaded with one thread; see `serving.servable.Servable`.

    Args:
      folder: The version's folder: `artifact.json` and the model file.

    Raises:
      ModelError: The description cannot be read, or the file is not the one it describes.
    """

    def __init__(self, folder: Path) -> None:
        self._artifact = _read_artifact(folder)
        self._prepare = Preparation(self._artifact.preparation.features)
        self._loaded: Loaded | None = _load(folder, self._artifact)
        # An interpreter serves one caller at a time; batches of a slow model come from threads.
        self._lock = threading.Lock()
        signature = _signature(self._artifact)
        self.steady = (signature.name,) if self._loaded.steady else ()
        self.signatures: Mapping[str, Signature] = {signature.name: signature}
        self.metadata: Mapping[str, Any] = _metadata(signature)
        classes = self._artifact.classes
        text = bool(classes) and isinstance(classes[0], str)
        names = [str(value).encode() for value in classes] if text else list(classes)
        self._classes = np.array(names, object if text else np.int64)

    def run(self, signature: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Answers raw columns with what `serving_default` gives.

        Raises:
          ServingError: There is no such signature, or the model was unloaded.
        """
        if signature not in self.signatures:
            raise ServingError(404, f"Serving signature name: {signature!r} not found")
        with self._lock:
            if self._loaded is None:
                raise ServingError(503, "The model was unloaded")
            answers = self._answers(self._scores(self._loaded, self._tensors(inputs)))
        # In the order of the SavedModel's, by name.
        return dict(sorted(answers.items()))

    def warm_up(self) -> int:
        """Runs a row in which everything is missing; no requests travel with such a file."""
        ports = self.signatures[DEFAULT_SIGNATURE].inputs
        row = {name: np.array([_MISSING[port.dtype]], port.numpy) for name, port in ports.items()}
        self.run(DEFAULT_SIGNATURE, row)
        return 0

    def close(self) -> None:
        """Lets go of the interpreter, once no call is in it."""
        with self._lock:
            self._loaded = None

    def _tensors(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        features = self._prepare(columns)
        return {
            one.tensor: features[one.feature].astype(one.dtype, copy=False)
            for one in self._artifact.inputs
        }

    def _scores(self, loaded: Loaded, tensors: Mapping[str, Array]) -> Array:
        rows = len(next(iter(tensors.values())))
        parts = []
        for start in range(0, max(1, rows), _ROWS_AT_ONCE):
            part = {name: each[start : start + _ROWS_AT_ONCE] for name, each in tensors.items()}
            parts.append(loaded.run(part)[self._artifact.output])
        scores: Array = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return scores if self._artifact.task == "multiclass" else scores[:, 0]

    def _answers(self, scores: Array) -> dict[str, Array]:
        if self._artifact.task == "regression":
            return {"predictions": scores}
        if self._artifact.task == "multiclass":
            return {
                "probabilities": scores,
                "classes": self._classes[scores.argmax(axis=1)],
                "scores": scores.max(axis=1),
            }
        positive = scores >= np.float32(self._artifact.threshold)
        return {
            "probabilities": scores,
            "classes": self._classes[positive.astype(np.int64)],
            "decisions": positive.astype(np.float32),
        }


def _read_artifact(folder: Path) -> Description:
    path = folder / ARTIFACT_FILE
    try:
        artifact = Description.model_validate_json(path.read_bytes())
        lacking = _lacking(artifact)
        if lacking:
            raise ValueError(f"nothing prepares {', '.join(lacking)}")
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{ARTIFACT_FILE} cannot be read",
            where=str(path),
            expected="the description that Kelp writes beside a model file",
            received=_first(error),
            fix="push the model again, with its description",
        ) from error
    if _kind(artifact) not in _RUNTIMES:
        raise ModelError(
            "this artifact cannot be served",
            where=str(path),
            expected="a TFLite or an ONNX file",
            received=artifact.format,
            fix="serve another variant of the same network",
        )
    return artifact


def _kind(artifact: Description) -> str:
    return artifact.format.partition("_")[0]


def _lacking(artifact: Description) -> list[str]:
    """The inputs that no raw column becomes."""
    made = {one.column for one in artifact.preparation.features}
    made |= {
        f"{one.column}_missing" for one in artifact.preparation.features if one.missing_indicator
    }
    return [one.feature for one in artifact.inputs if one.feature not in made]


def _first(error: Exception) -> str:
    """What is wrong, in a line."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def _load(folder: Path, artifact: Description) -> Loaded:
    """Loads the bytes whose checksum was compared: the file may change in between."""
    path = folder / artifact.file
    content = path.read_bytes() if path.is_file() else None
    found = "no such file" if content is None else hashlib.sha256(content).hexdigest()
    if content is None or found != artifact.sha256:
        raise ModelError(
            f"{artifact.file} is not the file that {ARTIFACT_FILE} describes",
            where=str(folder),
            expected=f"SHA-256 {artifact.sha256}",
            received=found,
            fix="push the model again: the file was changed or only half copied",
        )
    runtime, load = _RUNTIMES[_kind(artifact)]
    try:
        loaded = load(content)
    except ValueError as error:
        raise _unfit(path, f"a file that {runtime} runs", str(error)) from error
    wanted = {one.tensor for one in artifact.inputs}
    if loaded.inputs != wanted or artifact.output not in loaded.outputs:
        told = f"the inputs {', '.join(sorted(wanted))} and the output {artifact.output}"
        found = f"{', '.join(sorted(loaded.inputs))} and {', '.join(sorted(loaded.outputs))}"
        raise _unfit(path, told, found)
    return loaded


def _unfit(path: Path, expected: str, received: str) -> ModelError:
    return ModelError(
        f"{path.name} cannot be loaded",
        where=str(path),
        expected=expected,
        received=received,
        fix="push the model again, and let `kelp run` prove it in its runtime",
    )


def _signature(artifact: Description) -> Signature:
    inputs = [Port(one.port, one.dtype, (None,)) for one in artifact.preparation.features]
    if artifact.task == "regression":
        outputs = [Port("predictions", "float32", (None,))]
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
        {port.name: port for port in sorted(inputs, key=_name)},
        {port.name: port for port in sorted(outputs, key=_name)},
    )


def _name(port: Port) -> str:
    return port.name


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
