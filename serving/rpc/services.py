"""PredictionService and ModelService, as TensorFlow Serving defines them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.batching import Predictor
from serving.config import ServingSpec
from serving.errors import ServingError
from serving.http import metrics as names
from serving.http.keys import brings_key
from serving.http.metrics import CODES, Metrics
from serving.rpc import convert
from serving.versions.manager import ModelManager
from serving.versions.slot import Lease

_STATES = get_model_status_pb2.ModelVersionStatus.State
_CODES = {code.name: code for code in grpc.StatusCode}
_OK = 200
# The calls that TensorFlow Serving counts.
_COUNTED = ("Predict", "Classify", "Regress")

logger = logging.getLogger(__name__)


class Services(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Answers with the versions that a manager lends.

    Args:
      manager: What lends versions.
      spec: The server's config.
      metrics: Where to count.
    """

    def __init__(self, manager: ModelManager, spec: ServingSpec, metrics: Metrics) -> None:
        self._manager = manager
        self._limits = spec.limits
        self._metrics = metrics
        key = spec.api_key()
        self._key = None if key is None else key.encode()

    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 (the service's name)
        """Answers named tensors with named tensors."""

        async def answer() -> Any:
            with self._lend(request.model_spec) as predictor:
                signature = convert.signature_of(
                    predictor.servable.signatures, request.model_spec.signature_name
                )
                asked = convert.request_of_tensors(signature, request.inputs, self._limits.rows)
                outputs = await predictor.call(asked, "predict", self._seconds(context))
                tensors = convert.tensors_of(signature, outputs, request.output_filter)
                given = predict_pb2.PredictResponse(outputs=tensors)
                _name(given.model_spec, predictor, signature.name)
                return given

        return await self._answered("Predict", request.model_spec.name, context, answer)

    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answers examples with classes and their scores."""

        async def answer() -> Any:
            given = classification_pb2.ClassificationResponse()
            outputs, _ = await self._examples(request, context, "classify", given)
            given.result.CopyFrom(convert.classifications_of(outputs))
            return given

        return await self._answered("Classify", request.model_spec.name, context, answer)

    async def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answers examples with a value each."""

        async def answer() -> Any:
            given = regression_pb2.RegressionResponse()
            outputs, rows = await self._examples(request, context, "regress", given)
            given.result.CopyFrom(convert.regressions_of(outputs, rows))
            return given

        return await self._answered("Regress", request.model_spec.name, context, answer)

    async def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Tells a version's signatures."""

        async def answer() -> Any:
            if list(request.metadata_field) != ["signature_def"]:
                raise ServingError(400, "metadata_field must be signature_def, and nothing else")
            with self._lend(request.model_spec) as predictor:
                given = get_model_metadata_pb2.GetModelMetadataResponse()
                _name(given.model_spec, predictor, "")
                signatures = json_format.ParseDict(
                    predictor.servable.metadata["signature_def"],
                    get_model_metadata_pb2.SignatureDefMap(),
                )
                given.metadata["signature_def"].Pack(signatures)
                return given

        return await self._answered("GetModelMetadata", request.model_spec.name, context, answer)

    async def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Tells the state of a model's versions."""

        async def answer() -> Any:
            told = self._manager.status(*_which(request.model_spec))
            given = get_model_status_pb2.GetModelStatusResponse()
            for one in told:
                entry = given.model_version_status.add()
                entry.version, entry.state = one.version, _STATES.Value(one.state)
                code = _CODES.get(one.code, grpc.StatusCode.UNKNOWN)
                entry.status.error_code = code.value[0]
                entry.status.error_message = one.message
            return given

        return await self._answered("GetModelStatus", request.model_spec.name, context, answer)

    def _lend(self, spec: Any) -> Lease:
        return self._manager.lookup(*_which(spec))

    async def _examples(
        self, request: Any, context: Any, method: str, given: Any
    ) -> tuple[Mapping[str, Any], int]:
        with self._lend(request.model_spec) as predictor:
            signature = convert.signature_of(
                predictor.servable.signatures, request.model_spec.signature_name
            )
            asked = convert.request_of_examples(signature, request.input, self._limits.rows)
            outputs = await predictor.call(asked, method, self._seconds(context))
            _name(given.model_spec, predictor, signature.name)
            return outputs, asked.rows or 0

    def _seconds(self, context: Any) -> float:
        left = context.time_remaining()
        most = self._limits.deadline_s
        return most if left is None else min(most, left)

    async def _answered(
        self, method: str, model: str, context: Any, answer: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Answers, or ends the call with the status that REST would give; counts both."""
        began, status, message = time.perf_counter(), _OK, ""
        try:
            self._check_key(context)
            return await answer()
        except ServingError as error:
            status, message = error.status, error.message
        except asyncio.CancelledError:
            status = 499
            raise
        except Exception:
            logger.exception("call_failed", extra={"method": method})
            status, message = 500, "Internal error"
        finally:
            if method in _COUNTED:
                self._count(method, model, status, began)
        return await context.abort(_CODES[CODES.get(status, "UNKNOWN")], message)

    def _check_key(self, context: Any) -> None:
        if self._key is None:
            return
        brought = (
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in context.invocation_metadata()
        )
        if not brings_key(brought, self._key):
            raise ServingError(401, "The API key is missing or wrong")

    def _count(self, method: str, model: str, status: int, began: float) -> None:
        # Names that nobody serves would fill the memory.
        name = model if self._manager.knows(model) else ""
        code = CODES.get(status, "UNKNOWN")
        self._metrics.count(names.REQUEST_COUNT, model_name=name, status=code)
        if status == _OK:
            self._metrics.histogram(
                names.REQUEST_LATENCY, model_name=name, API=method, entrypoint="GRPC"
            ).add((time.perf_counter() - began) * 1e6)


def _which(spec: Any) -> tuple[str, int | None, str | None]:
    """The model, version and label that a ModelSpec names."""
    choice = spec.WhichOneof("version_choice")
    version = spec.version.value if choice == "version" else None
    label = spec.version_label if choice == "version_label" else None
    return spec.name, version, label


def _name(spec: Any, predictor: Predictor, signature: str) -> None:
    spec.name, spec.signature_name = predictor.name, signature
    spec.version.value = predictor.version
