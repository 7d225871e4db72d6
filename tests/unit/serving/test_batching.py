"""The queue before a model: together, bounded, in time, and nobody harmed by another."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import numpy as np
import pytest

from contracts.prediction_log import LoggedRequest
from serving.batching import BatchLimits, Predictor
from serving.errors import ServingError
from tests.unit.serving.conformance.model import ModelOfNumpy


class SlowModel(ModelOfNumpy):
    """Holds until it is let go, on whatever thread it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.threads: set[str] = set()

    def run(self, signature: str, inputs: Any) -> dict[str, np.ndarray]:
        self.threads.add(threading.current_thread().name)
        if threading.current_thread() is not threading.main_thread():
            self.free.wait(10)
        return super().run(signature, inputs)


def body(*values: float, signature: str = "serving_default") -> bytes:
    return json.dumps({"signature_name": signature, "instances": list(values)}).encode()


def run(
    act: Callable[[Predictor], Awaitable[None]], model: ModelOfNumpy, **limits: Any
) -> Predictor:
    predictor = Predictor("m", 3, model, BatchLimits(**limits))

    async def whole() -> None:
        await act(predictor)
        await predictor.drain()

    asyncio.run(whole())
    return predictor


def answer(text: bytes) -> Any:
    return json.loads(text)["predictions"]


async def refused(request: Awaitable[bytes]) -> int:
    with pytest.raises(ServingError) as caught:
        await request
    return caught.value.status


def test_requests_of_one_turn_are_one_call() -> None:
    model = ModelOfNumpy()

    async def act(predictor: Predictor) -> None:
        texts = await asyncio.gather(
            *[predictor.predict(body(*range(count))) for count in range(1, 6)]
        )
        assert [len(answer(text)) for text in texts] == [1, 2, 3, 4, 5]
        assert answer(texts[2]) == [3.0, 3.5, 4.0]

    run(act, model)
    assert model.batches == [15]


def test_no_call_has_more_rows_than_it_may() -> None:
    model = ModelOfNumpy()

    async def act(predictor: Predictor) -> None:
        sizes = (3, 3, 3, 9, 1)
        texts = await asyncio.gather(*[predictor.predict(body(*range(size))) for size in sizes])
        assert [len(answer(text)) for text in texts] == list(sizes)

    run(act, model, rows=6)
    assert model.batches == [6, 3, 9, 1]


def test_only_what_goes_together_is_put_together() -> None:
    model = ModelOfNumpy()

    async def act(predictor: Predictor) -> None:
        asked = [
            predictor.predict(body(1)),
            predictor.predict(body(2, signature="int32")),
            predictor.predict(b'{"inputs": [3]}'),
            predictor.predict(b'{"inputs": [4, 5]}'),
            predictor.predict(b'{"signature_name": "ragged", "inputs": [[1, 2]]}'),
            predictor.predict(b'{"signature_name": "ragged", "inputs": [[1]]}'),
            predictor.predict(b'{"signature_name": "any", "inputs": [1]}'),
            predictor.predict(b'{"signature_name": "any", "inputs": [1]}'),
        ]
        assert [len(text) > 0 for text in await asyncio.gather(*asked)] == [True] * 8

    run(act, model)
    assert model.batches == [1, 1, 3, 1, 1, 1, 1]


def test_one_that_fails_harms_no_other() -> None:
    model = ModelOfNumpy()
    half = model._runs["serving_default"]

    def picky(inputs: Any) -> dict[str, np.ndarray]:
        if (inputs["x"] == 13).any():
            raise ServingError(400, "thirteen")
        if (inputs["x"] == 14).any():
            raise ZeroDivisionError("secret")
        return half(inputs)

    model._runs["serving_default"] = picky

    async def act(predictor: Predictor) -> None:
        asked = [predictor.predict(body(value)) for value in (1, 13, 2, 14)]
        asked.append(predictor.predict(b'{"instances": ["a"]}'))
        one, two, three, four, five = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(one, bytes)
        assert isinstance(three, bytes)
        assert (answer(one), answer(three)) == ([3.5], [4.0])
        assert isinstance(two, ServingError)
        assert (two.status, two.message) == (400, "thirteen")
        assert isinstance(four, ServingError)
        assert (four.status, "secret" in four.message) == (500, False)
        assert isinstance(five, ServingError)
        assert (five.status, "element: 0" in five.message) == (400, True)

    run(act, model)


def test_a_model_that_loses_rows_is_asked_one_by_one() -> None:
    model = ModelOfNumpy()
    model._runs["serving_default"] = lambda inputs: {"y": inputs["x"][:1]}

    async def act(predictor: Predictor) -> None:
        texts = await asyncio.gather(*[predictor.predict(body(value)) for value in (1, 2)])
        assert [answer(text) for text in texts] == [[1.0], [2.0]]

    run(act, model)
    assert model.batches == [2, 1, 1]


def test_big_batches_leave_the_loop_and_the_queue_is_bounded() -> None:
    model = SlowModel()

    async def act(predictor: Predictor) -> None:
        first = asyncio.create_task(predictor.predict(body(*range(9))))
        while not model.threads:
            await asyncio.sleep(0.001)
        waiting = [asyncio.create_task(predictor.predict(body(value))) for value in (1, 2)]
        await asyncio.sleep(0)
        assert predictor.waiting == 2
        assert await refused(predictor.predict(body(3))) == 503
        model.free.set()
        assert len(answer(await first)) == 9
        assert [answer(await each) for each in waiting] == [[3.5], [4.0]]

    run(act, model, inline_rows=8, queue=2)
    assert model.batches == [9, 2]


def test_the_deadline_holds_in_the_queue_and_on_the_thread() -> None:
    model = SlowModel()

    async def act(predictor: Predictor) -> None:
        first = asyncio.create_task(predictor.predict(body(*range(9)), 0.05))
        while not model.threads:
            await asyncio.sleep(0.001)
        began = time.monotonic()
        assert await refused(predictor.predict(body(1), 0.05)) == 504
        assert await refused(first) == 504
        assert time.monotonic() - began < 5
        patient = asyncio.create_task(predictor.predict(body(1), 60))
        await asyncio.sleep(0)
        model.free.set()
        assert answer(await patient) == [3.5]
        assert await refused(predictor.predict(body(1), 0.0)) == 504

    run(act, model, inline_rows=8)
    assert model.batches == [9, 1]


def test_who_goes_away_is_not_computed_for() -> None:
    model = ModelOfNumpy()

    async def act(predictor: Predictor) -> None:
        gone = asyncio.create_task(predictor.predict(body(1)))
        stays = asyncio.create_task(predictor.predict(body(2, 3)))
        await asyncio.sleep(0)
        gone.cancel()
        assert answer(await stays) == [4.0, 4.5]

    run(act, model)
    assert model.batches == [2]


def test_large_bodies_are_read_on_the_thread() -> None:
    model = ModelOfNumpy()

    async def act(predictor: Predictor) -> None:
        many = [0.123456789] * 10_000
        assert len(answer(await predictor.predict(body(*many)))) == 10_000
        wrong = json.dumps({"instances": [*many, "a"]}).encode()
        with pytest.raises(ServingError, match="element: 10000"):
            await predictor.predict(wrong)

    run(act, model)
    assert model.batches == [10_000]


def test_each_answered_request_is_reported_with_its_own_rows() -> None:
    received: list[LoggedRequest] = []

    async def act(predictor: Predictor) -> None:
        predictor.on_request = received.append
        await asyncio.gather(predictor.predict(body(1, 2)), predictor.predict(body(5)))
        await refused(predictor.predict(b"{}"))
        await predictor.regress(b'{"signature_name": "regress", "examples": [{"x": 1.0}]}')

    run(act, ModelOfNumpy())
    assert [(one.name, one.version, one.method) for one in received] == [
        ("m", 3, "predict"), ("m", 3, "predict"), ("m", 3, "regress"),
    ]  # fmt: skip
    assert [one.inputs["x"].tolist() for one in received[:2]] == [[1.0, 2.0], [5.0]]
    assert [one.outputs["y"].tolist() for one in received[:2]] == [[3.5, 4.0], [5.5]]
    assert all(one.duration_s >= 0 for one in received)


def test_a_log_that_fails_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    def fail(request: LoggedRequest) -> None:
        raise OSError("disk")

    async def act(predictor: Predictor) -> None:
        predictor.on_request = fail
        assert answer(await predictor.predict(body(1))) == [3.5]

    run(act, ModelOfNumpy())
    assert "request log failed" in caplog.text


def test_drain_waits_for_all() -> None:
    model = SlowModel()

    async def act(predictor: Predictor) -> None:
        asked = asyncio.create_task(predictor.predict(body(*range(9))))
        while not model.threads:
            await asyncio.sleep(0.001)
        draining = asyncio.create_task(predictor.drain())
        await asyncio.sleep(0.01)
        assert not draining.done()
        model.free.set()
        await draining
        assert asked.done() or len(answer(await asked)) == 9

    run(act, model, inline_rows=8)


def test_a_crowd_is_served_together_and_the_habit_fades() -> None:
    model = ModelOfNumpy()

    async def act(predictor: Predictor) -> None:
        async def client(times: int) -> None:
            for _ in range(times):
                await predictor.predict(body(1))

        await asyncio.gather(*[client(50) for _ in range(8)])
        assert sum(model.batches) == 400
        assert len(model.batches) < 100
        for _ in range(60):
            await predictor.predict(body(1))
        assert predictor._crowd < 2

    run(act, model)


class LoopOfValues(ModelOfNumpy):
    """Takes as many seconds as its largest value says; waits as TensorFlow does, without the GIL.

    Args:
      steady: Whether it says that shapes alone decide.
    """

    def __init__(self, *, steady: bool) -> None:
        super().__init__()
        self.threads: list[bool] = []
        self._steady = steady

    @property
    def steady(self) -> Collection[str]:
        return self.signatures if self._steady else ()

    def run(self, signature: str, inputs: Any) -> dict[str, np.ndarray]:
        self.threads.append(threading.current_thread() is threading.main_thread())
        time.sleep(float(inputs["x"].max()))
        return super().run(signature, inputs)


def test_a_call_that_values_decide_never_holds_the_loop() -> None:
    model, other = LoopOfValues(steady=False), ModelOfNumpy()

    async def act(predictor: Predictor) -> None:
        beside = Predictor("other", 1, other, BatchLimits())
        for _ in range(80):
            await predictor.predict(body(0.0))
            await beside.predict(body(1))
        slow = asyncio.create_task(predictor.predict(body(1.0)))
        late = asyncio.create_task(refused(predictor.predict(body(0.0), 0.1)))
        began = time.monotonic()
        while not slow.done():
            asked = time.monotonic()
            await beside.predict(body(1))
            await asyncio.sleep(0.01)
            assert time.monotonic() - asked < 0.5
            assert not late.done() or time.monotonic() - began > 0.1
        assert await late == 504
        assert time.monotonic() - began < 5
        await beside.drain()

    run(act, model)
    assert not any(model.threads)


def test_a_call_runs_on_the_loop_once_its_shape_was_measured_and_leaves_at_once() -> None:
    model = LoopOfValues(steady=True)

    async def act(predictor: Predictor) -> None:
        for _ in range(10):
            await predictor.predict(body(0.0))
        assert model.threads[0] is False
        assert model.threads[-1] is True
        await predictor.predict(body(*[0.0] * 16))
        assert model.threads[-1] is False  # another shape
        await predictor.predict(body(0.3))
        assert model.threads[-1] is True
        for _ in range(3):
            await predictor.predict(body(0.0))
            assert model.threads[-1] is False

    run(act, model, inline_s=0.1)


def test_a_large_body_is_read_and_written_while_the_model_is_busy() -> None:
    model = SlowModel()
    many = body(*[0.123456789] * 10_000)

    async def act(predictor: Predictor) -> None:
        first = asyncio.create_task(predictor.predict(body(*range(9))))
        while not model.threads:
            await asyncio.sleep(0.001)
        began = time.monotonic()
        assert await refused(predictor.predict(many, 0.2)) == 504
        assert time.monotonic() - began < 5
        model.free.set()
        await first

    run(act, model, inline_rows=8)
