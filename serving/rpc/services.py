"""PredictionService and ModelService, as TensorFlow Serving defines them."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from contracts.errors import KelpError
from serving.batching import Predictor
from serving.config import ServingSpec
from serving.errors import ServingError
from serving.http import metrics as names
from serving.http.keys import brings_key
from serving.http.metrics import CODES, Metrics
from serving.release.config_file import ModelEntry, entries_of
from serving.rpc import convert
from serving.versions.manager import ModelManager
from serving.versions.slot import Lease

_STATES = get_model_status_pb2.ModelVersionStatus.State
_CODES = {code.name: code for code in grpc.StatusCode}
_OK = 200
# The calls that TensorFlow Serving counts.
_COUNTED = ("Predict", "Classify", "Regress")

logger = logging.getLogger(__name__)
Answer = Callable[[Any, Any, Any], Awaitable[Any]]


def _answering(answer: Answer) -> Answer:
    """Answers, or ends the call with the status that REST would give; counts both."""
    method = answer.__name__

    @functools.wraps(answer)
    async def answered(self: Services, request: Any, context: Any) -> Any:
        began, status, message = time.perf_counter(), _OK, ""
        try:
            self._check_key(context)
            return await answer(self, request, context)
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
                self._count(method, request.model_spec.name, status, began)
        return await context.abort(_CODES[CODES.get(status, "UNKNOWN")], message)

    return answered


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
        self._is_guarded = spec.is_guarded
        self._metrics = metrics
        self._key = spec.api_key()

    @_answering
    async def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 (the service's name)
        """Answers named tensors with named tensors."""
        with self._lend(request) as predictor:
            signature = convert.signature_of(
                predictor.servable.signatures, request.model_spec.signature_name
            )
            asked = convert.request_of_tensors(signature, request.inputs, self._limits.rows)
            outputs = await predictor.call(asked, "predict", self._seconds(context))
            tensors = convert.tensors_of(signature, outputs, request.output_filter)
            given = predict_pb2.PredictResponse(outputs=tensors)
            _name(given.model_spec, predictor, signature.name)
            return given

    @_answering
    async def Classify(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answers examples with classes and their scores."""
        given = classification_pb2.ClassificationResponse()
        outputs, rows = await self._examples(request, context, "classify", given)
        given.result.CopyFrom(convert.classifications_of(outputs, rows))
        return given

    @_answering
    async def Regress(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answers examples with a value each."""
        given = regression_pb2.RegressionResponse()
        outputs, rows = await self._examples(request, context, "regress", given)
        given.result.CopyFrom(convert.regressions_of(outputs, rows))
        return given

    @_answering
    async def GetModelMetadata(self, request: Any, _: Any) -> Any:  # noqa: N802
        """Tells a version's signatures."""
        if list(request.metadata_field) != ["signature_def"]:
            raise ServingError(400, "metadata_field must be signature_def, and nothing else")
        with self._lend(request) as predictor:
            given = get_model_metadata_pb2.GetModelMetadataResponse()
            _name(given.model_spec, predictor, "")
            signatures = json_format.ParseDict(
                predictor.servable.metadata["signature_def"],
                get_model_metadata_pb2.SignatureDefMap(),
            )
            given.metadata["signature_def"].Pack(signatures)
            return given

    @_answering
    async def GetModelStatus(self, request: Any, _: Any) -> Any:  # noqa: N802
        """Tells the state of a model's versions."""
        statuses = self._manager.status(*_which(request))
        given = get_model_status_pb2.GetModelStatusResponse()
        for one in statuses:
            entry = given.model_version_status.add()
            entry.version, entry.state = one.version, _STATES.Value(one.state)
            code = _CODES.get(one.code, grpc.StatusCode.UNKNOWN)
            entry.status.error_code = code.value[0]
            entry.status.error_message = one.message
        return given

    @_answering
    async def HandleReloadConfigRequest(self, request: Any, _: Any) -> Any:  # noqa: N802
        """Serves just the models of a config, and answers once the new ones are there."""
        self._check_guarded()
        entries = _entries_of(request.config)
        before = self._counted(request.metric_names)
        await self._manager.reload(entries)
        given = model_management_pb2.ReloadConfigResponse()
        given.status.SetInParent()
        for name, total in self._counted(request.metric_names).items():
            given.metric.add(name=name, int64_value_increase=int(total - before[name]))
        return given

    def _check_guarded(self) -> None:
        if not self._is_guarded:
            raise ServingError(
                403,
                "Invalid caller: a config names folders to load, and anyone can reach this server. "
                "Set api_key_env or tls.client_ca, or listen on 127.0.0.1.",
            )

    def _counted(self, wanted: Iterable[str]) -> dict[str, float]:
        """The counters of these names, each over all of its labels."""
        totals = dict.fromkeys(wanted, 0.0)
        for name, _, value in self._metrics.to_json()["counters"]:
            if name in totals:
                totals[name] += value
        return totals

    def _lend(self, request: Any) -> Lease:
        name, version, label = _which(request)
        if not name:
            raise ServingError(400, "ModelSpec has no name specified.")
        return self._manager.lookup(name, version, label)

    async def _examples(
        self, request: Any, context: Any, method: str, given: Any
    ) -> tuple[Mapping[str, Any], int]:
        with self._lend(request) as predictor:
            signature = convert.signature_of(
                predictor.servable.signatures,
                request.model_spec.signature_name,
                of_examples=True,
            )
            asked = convert.request_of_examples(signature, request.input, self._limits.rows)
            outputs = await predictor.call(asked, method, self._seconds(context))
            _name(given.model_spec, predictor, signature.name)
            return outputs, asked.rows or 0

    def _seconds(self, context: Any) -> float:
        left = context.time_remaining()
        most = self._limits.deadline_s
        return most if left is None else min(most, left)

    def _check_key(self, context: Any) -> None:
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


def _entries_of(config: Any) -> dict[str, ModelEntry]:
    """The models that a ReloadConfigRequest names.

    Raises:
      ServingError: it is no list of models, or contradicts itself.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise ServingError(
            400,
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
            "ModelConfigList is currently supported",
        )
    try:
        entries = entries_of(config, Path("ReloadConfigRequest"))
    except KelpError as problem:
        raise ServingError(
            400, f"{problem.what} Expected {problem.expected}. Received {problem.received}."
        ) from problem
    for entry in entries.values():
        if not Path(entry.base_path).is_absolute():
            raise ServingError(
                400,
                f"Expected model {entry.name} to have an absolute path; got "
                f"base_path()={entry.base_path}",
            )
    return entries


def _which(request: Any) -> tuple[str, int | None, str | None]:
    """The model, version and label that a request names.

    Raises:
      ServingError: it names none at all.
    """
    if not request.HasField("model_spec"):
        raise ServingError(400, "Missing ModelSpec")
    spec = request.model_spec
    choice = spec.WhichOneof("version_choice")
    version = spec.version.value if choice == "version" else None
    label = spec.version_label if choice == "version_label" else None
    return spec.name, version, label


def _name(spec: Any, predictor: Predictor, signature: str) -> None:
    spec.name, spec.signature_name = predictor.name, signature
    spec.version.value = predictor.version
