"""TensorFlow Serving's REST behaviour, case by case: the tables are in conformance/.

Each case is put to a predictor, and all of them once more to the whole application.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.batching import BatchLimits, Predictor
from serving.config import ModelSpec, ServingSpec
from serving.errors import ServingError
from serving.http.app import App
from serving.versions.manager import ModelManager
from tests.unit.serving.conformance.cases import Case, http_cases, predictor_cases
from tests.unit.serving.conformance.model import ModelOfNumpy
from tests.unit.serving.fakes import write_version


def same(one: Any, other: Any) -> bool:
    """Equal as JSON, decimals to 1e-6, where a decimal is no whole number and NaN is NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-6)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def mistake(case: Case, status: int, body: bytes) -> str:
    """What is wrong with an answer; nothing if it is the expected one."""
    if status != case.status:
        return f"{status} instead of {case.status}: {body[:200]!r}"
    content = json.loads(body)
    if status == 200:
        return "" if same(content, json.loads(case.expected)) else f"{body[:200]!r}"
    if set(content) != {"error"} or case.expected not in content["error"]:
        return f"{content} has not {case.expected!r}"
    return ""


async def ask(predictor: Predictor, case: Case) -> tuple[int, bytes]:
    method: Callable[[bytes], Awaitable[bytes]] = getattr(predictor, case.method)
    try:
        return 200, await method(case.body)
    except ServingError as error:
        # HTTP has one status for a failed precondition and a wrong argument; gRPC has two codes.
        status = 400 if error.status == 412 else error.status
        return status, json.dumps({"error": error.message}).encode()


@pytest.mark.parametrize("case", predictor_cases(), ids=lambda case: case.body.decode("latin-1"))
def test_a_predictor_answers_as_tensorflow_serving(case: Case) -> None:
    predictor = Predictor("conf", 1, ModelOfNumpy(), BatchLimits())
    assert mistake(case, *asyncio.run(ask(predictor, case))) == ""


def test_there_are_enough_cases() -> None:
    cases = predictor_cases()
    assert len({(case.path, case.body) for case in cases}) == len(cases)
    assert len(cases) + len(http_cases()) > 250


def test_the_application_answers_the_same(tmp_path: Path) -> None:
    write_version(tmp_path, "conf", 1)
    spec = ServingSpec(
        models_root=str(tmp_path),
        artifacts=str(tmp_path / "none"),
        models={"conf": ModelSpec(labels={"stable": 1})},
    )

    async def whole() -> list[str]:
        manager = ModelManager(spec, load=lambda path: ModelOfNumpy())
        transport = httpx.ASGITransport(App(manager, spec))
        await manager.start()
        await manager.settled()
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                wrong = []
                for case in [*http_cases(), *predictor_cases()]:
                    answer = await client.request(case.verb, case.path, content=case.body)
                    found = mistake(case, answer.status_code, answer.content)
                    if found:
                        wrong.append(f"{case}: {found}")
                return wrong
        finally:
            await manager.stop()

    assert asyncio.run(whole()) == []


def test_requests_together_are_answered_as_alone() -> None:
    """All good and bad requests at once: each gets just what it gets alone."""
    cases = [case for case in predictor_cases() if case.method == "predict"]
    model = ModelOfNumpy()

    async def whole() -> list[tuple[int, bytes]]:
        predictor = Predictor("conf", 1, model, BatchLimits())
        return await asyncio.gather(*[ask(predictor, case) for case in cases])

    found = asyncio.run(whole())
    assert [text for text in map(mistake, cases, *zip(*found, strict=True)) if text] == []
    assert max(model.batches) > 10
