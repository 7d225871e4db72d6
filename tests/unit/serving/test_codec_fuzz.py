"""Bodies that nobody meant: always an answer or a refusal, never anything else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.batching import BatchLimits, Predictor
from serving.codec.requests import Decoder
from serving.codec.signature import Port, Signature
from serving.errors import ServingError
from tests.unit.serving.conformance.cases import predictor_cases
from tests.unit.serving.conformance.model import ModelOfNumpy

CASES = 10_000
EACH = 20  # bodies made of one draw: hypothesis takes longer than the codec

MODEL = ModelOfNumpy()
# The one signature that is made to fail for another reason than its request.
SIGNATURES = sorted(set(MODEL.signatures) - {"fails"})
SEEDS = [case.body for case in predictor_cases() if case.status != 500]
PIECES = [
    b"NaN", b"-Infinity", b"Inf", b"null", b"true", b"1e400", b"-0", b"1e39", b"9" * 40, b"[", b"]",
    b"{", b"}", b'"', b":", b",", b"\\", b"\\ud800", b"\xff", b"\xf0\x9f", b"\x00",
    b'{"b64":"YQ=="}',
    b'"instances"', b'"inputs"', b'"x":', b"[[[[[[", b"\xef\xbb\xbf", b"1.5", b"128",
]  # fmt: skip

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([{"b64": "YQ=="}, {"b64": "?"}, {"b64": 1}])
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "a", "b", "b64", "z"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def refusal(predictor: Predictor, method: str, body: bytes) -> ServingError | None:
    """None if there was an answer that can be read; anything but a ServingError is raised."""

    async def ask() -> bytes:
        answer: bytes = await getattr(predictor, method)(body)
        return answer

    try:
        content = json.loads(asyncio.run(ask()))
    except ServingError as error:
        return error
    assert isinstance(content, dict)
    return None


def check(predictor: Predictor, method: str, body: bytes) -> None:
    error = refusal(predictor, method, body)
    assert error is None or error.status in (400, 412, 501), (body, error)
    assert error is None or "does not fit the signature's inputs" not in error.message, body


@settings(
    max_examples=CASES // EACH // 2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.randoms(use_true_random=False), st.sampled_from(["predict", "classify", "regress"]))
def test_spoilt_bodies(random: Any, method: str) -> None:
    predictor = Predictor("m", 1, MODEL, BatchLimits())
    for _ in range(EACH):
        body = bytearray(random.choice(SEEDS))
        for _ in range(random.randint(1, 4)):
            start = random.randint(0, len(body))
            end = min(len(body), start + random.choice([0, 0, 1, 2, 8]))
            body[start:end] = random.choice(PIECES)
        check(predictor, method, bytes(body))


@settings(
    max_examples=CASES // EACH // 2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(values, values, st.sampled_from(["instances", "inputs", "examples"]))
def test_bodies_of_odd_values(first: Any, second: Any, key: str) -> None:
    predictor = Predictor("m", 1, MODEL, BatchLimits())
    for signature in SIGNATURES[:EACH]:
        for value in ([first, second], first):
            body = json.dumps({"signature_name": signature, key: value}).encode()
            check(predictor, "classify" if key == "examples" else "predict", body)


PLAIN = Signature(
    "serving_default",
    {
        "a": Port("a", "float32", (None,)),
        "b": Port("b", "float32", (None,)),
        "n": Port("n", "int64", (None,)),
        "s": Port("s", "string", (None,)),
        "v": Port("v", "float32", (None, 2)),
    },
    {},
)
floats = st.floats(width=32)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "a": floats,
            "b": floats | st.integers(-100, 100),
            "n": st.integers(-(2**63), 2**63 - 1),
            "s": st.text(max_size=4),
            "v": st.lists(floats, min_size=2, max_size=2),
        }
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(rows)
def test_what_is_sent_is_what_arrives(sent: list[dict[str, Any]]) -> None:
    decoder = Decoder({PLAIN.name: PLAIN}, 100, 64)
    columns = {name: [row[name] for row in sent] for name in PLAIN.inputs}
    by_row = decoder.decode(json.dumps({"instances": sent}).encode()).inputs
    by_column = decoder.decode(json.dumps({"inputs": columns}).encode()).inputs
    for name, port in PLAIN.inputs.items():
        expected = columns[name]
        if name == "s":
            assert by_row[name].tolist() == by_column[name].tolist()
            assert by_row[name].tolist() == [text.encode() for text in expected]
        else:
            array = np.array(expected, port.numpy)
            np.testing.assert_array_equal(by_row[name], array)
            np.testing.assert_array_equal(by_column[name], array)


def test_depth_and_size_do_not_fell_it() -> None:
    predictor = Predictor("m", 1, MODEL, BatchLimits(request_rows=50))
    for body in (
        b'{"instances": ' + b"[" * 100_000,
        b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": NaN, "instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000,
        b'{"a": NaN, "b": ' + b'{"a":' * 100_000,
        b'{"instances": [' + b"1," * 50 + b"1]}",
        b'{"inputs": [' + b"1," * 50 + b"1]}",
        b'{"instances": [NaN, ' + b"9" * 100_000 + b"]}",
        b'{"instances": [' + b"9" * 100_000 + b"]}",
        b'"' + b'\\"' * 200_000,
        b'{"instances": ["' + b'NaN\\"' * 200_000,
        b'{"signature_name": "any", "instances": [' + b"[" * 500 + b"]" * 500 + b"]}",
    ):
        error = refusal(predictor, "predict", body)
        assert error is not None, body[:50]
        assert error.status == 400, body[:50]
        assert len(error.message) < 500
