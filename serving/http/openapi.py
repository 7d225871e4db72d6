"""Describes what the server answers, in OpenAPI's words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from serving.config import ServingSpec

_NAME = {"type": "string", "minLength": 1, "pattern": "^[^/:]+$"}
_VERSION = {"type": "integer", "format": "int64", "minimum": 0}
_VALUE = {"description": 'a number, text, true, false, {"b64": ...}, or nested lists of one kind'}
_ROWS = {"type": "array", "items": _VALUE}
_EXAMPLE = {"type": "object", "additionalProperties": _VALUE}
_EXAMPLES = {
    "type": "object",
    "required": ["examples"],
    "properties": {
        "signature_name": {"type": "string"},
        "context": _EXAMPLE,
        "examples": {"type": "array", "items": _EXAMPLE},
    },
}
_PREDICT = {
    "type": "object",
    "description": "rows as `instances`, or columns as `inputs`",
    "properties": {
        "signature_name": {"type": "string"},
        "instances": _ROWS,
        "inputs": _VALUE,
    },
}
_STATUS = {
    "type": "object",
    "required": ["version", "state", "status"],
    "properties": {
        "version": {"type": "string", "pattern": "^[0-9]+$"},
        "state": {"enum": ["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]},
        "status": {
            "type": "object",
            "required": ["error_code", "error_message"],
            "properties": {
                "error_code": {"type": "string"},
                "error_message": {"type": "string"},
            },
        },
    },
}
_SCHEMAS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}},
    },
    "Predict": _PREDICT,
    "Examples": _EXAMPLES,
    "Predictions": {"type": "object", "properties": {"predictions": {}, "outputs": {}}},
    "Results": {"type": "object", "required": ["results"], "properties": {"results": {}}},
    "Status": {
        "type": "object",
        "required": ["model_version_status"],
        "properties": {"model_version_status": {"type": "array", "items": _STATUS}},
    },
    "Metadata": {
        "type": "object",
        "required": ["model_spec", "metadata"],
        "properties": {"model_spec": {"type": "object"}, "metadata": {"type": "object"}},
    },
    "Readiness": {
        "type": "object",
        "required": ["ready", "models"],
        "properties": {"ready": {"type": "boolean"}, "models": {"type": "object"}},
    },
    "Liveness": {"type": "object", "required": ["status"]},
}
_CLIENT_ERRORS = ("400", "404", "408", "413", "429")
_SERVER_ERRORS = ("501", "503", "504")
_PAGE_ERRORS = ("400", "404", "429", "503")
# The method, and the schemas of the request's body and of its answer.
_PREDICTIONS = (
    ("predict", "Predict", "Predictions"),
    ("classify", "Examples", "Results"),
    ("regress", "Examples", "Results"),
)
_KEYS = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_TARGETS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "": (),
    "/versions/{version}": (("version", _VERSION),),
    "/labels/{label}": (("label", _NAME),),
}


def describe(spec: ServingSpec) -> dict[str, Any]:
    """The OpenAPI description of the server."""
    closed = ("401",) if spec.api_key_env is not None else ()
    predicting = (*_CLIENT_ERRORS, *_SERVER_ERRORS, *closed)
    paths: dict[str, Any] = {}
    for target, parameters in _TARGETS.items():
        base = f"/v1/models/{{name}}{target}"
        named = [_parameter("name", _NAME), *(_parameter(*one) for one in parameters)]
        for method, body, answer in _PREDICTIONS:
            paths[f"{base}:{method}"] = {
                "post": {
                    "parameters": named,
                    "requestBody": {"required": True, "content": _content(body)},
                    "responses": {"200": _json(answer, "The answer"), **_errors(predicting)},
                }
            }
        for page, answer in (("", "Status"), ("/metadata", "Metadata")):
            responses = {"200": _json(answer, "What is asked for")}
            responses |= _errors((*_PAGE_ERRORS, *closed))
            paths[f"{base}{page}"] = {"get": {"parameters": named, "responses": responses}}
    paths["/healthz"] = {"get": {"responses": {"200": _json("Liveness", "It lives")}}}
    paths["/readyz"] = {
        "get": {
            "responses": {
                "200": _json("Readiness", "Every model has an available version"),
                "503": _json("Readiness", "Not every model has one"),
            }
        }
    }
    counts = {"description": "Counts", "content": {"text/plain": {"schema": {"type": "string"}}}}
    paths["/monitoring/prometheus/metrics"] = {
        "get": {"responses": {"200": counts, **_errors(closed)}}
    }
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Kelp's development server",
            "version": "1",
            "description": "TensorFlow Serving's REST API, for development, tests and small loads.",
        },
        "paths": paths,
        "components": {"schemas": _SCHEMAS},
    }
    if closed:
        described["components"] = {"schemas": _SCHEMAS, "securitySchemes": _KEYS}
        described["security"] = [{name: []} for name in _KEYS]
    return described


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _errors(codes: Iterable[str]) -> dict[str, Any]:
    return {code: _json("Error", "What is wrong") for code in codes}


def _json(schema: str, what: str) -> dict[str, Any]:
    return {"description": what, "content": _content(schema)}


def _content(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
