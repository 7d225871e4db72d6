"""Stands in for a server of one model: y = 2 x, or what a label's behaviour says."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


def described(dtype: str) -> dict[str, Any]:
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    return {"dtype": dtype, "tensor_shape": shape, "name": "x:0"}


SIGNATURES = {
    "serving_default": {
        "inputs": {"x": described("DT_FLOAT"), "who": described("DT_STRING")},
        "outputs": {"y": described("DT_FLOAT"), "z": described("DT_FLOAT")},
        "method_name": "tensorflow/serving/predict",
    }
}


@dataclass
class Behaviour:
    """What one label does.

    Attributes:
      version: The version behind it.
      error_every: Answers 500 each so many requests.
      sleep_s: Waits so long.
      shift: Adds this to y.
    """

    version: int
    error_every: int = 0
    sleep_s: float = 0
    shift: float = 0


@dataclass
class FakeUpstream:
    """An ASGI app with labels; keeps what it was asked."""

    labels: dict[str, Behaviour] = field(default_factory=dict)
    newest: Behaviour = field(default_factory=lambda: Behaviour(9))
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        path = scope["raw_path"].decode()
        self.asked.append((scope["method"], path, headers, body))
        status, answer = await self._answer(path, body)
        content = json.dumps(answer).encode()
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json"), (b"x-from", b"upstream")],
            }
        )
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, path, body):
        if not path.startswith("/v1/models/m"):
            return 404, {"error": f"Servable not found for request: {path}"}
        rest = path.removeprefix("/v1/models/m")
        behaviour = self.newest
        label = ""
        if rest.startswith("/labels/"):
            label = rest.removeprefix("/labels/").partition(":")[0].partition("/")[0]
            if label not in self.labels:
                return 400, {"error": f"Unrecognized servable version label: {label}"}
            behaviour = self.labels[label]
        if rest.endswith("/metadata"):
            spec = {"name": "m", "signature_name": "", "version": str(behaviour.version)}
            metadata = {"signature_def": {"signature_def": SIGNATURES}}
            return 200, {"model_spec": spec, "metadata": metadata}
        if not rest.endswith(":predict"):
            return 200, {"model_version_status": []}
        self.counts[label] += 1
        if behaviour.sleep_s:
            await asyncio.sleep(behaviour.sleep_s)
        if behaviour.error_every and self.counts[label] % behaviour.error_every == 0:
            return 500, {"error": "broken"}
        return 200, _predict(json.loads(body), behaviour.shift)


def _predict(body, shift):
    if "instances" in body:
        rows = body["instances"]
        return {"predictions": [{"y": 2 * row["x"] + shift, "z": row["x"]} for row in rows]}
    x = body["inputs"]["x"]
    return {"outputs": {"y": [2 * one + shift for one in x], "z": x}}
