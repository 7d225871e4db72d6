from __future__ import annotations

import json
import math
import subprocess
import sys

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contracts.errors import KelpError
from serving._columns import check_columns, request_body
from serving.client import Client, ClientOptions, RequestRefused, model_url
from serving.codec.signature import Port, Signature


def _described(dtype, *sizes):
    dims = [{"size": str(size), "name": ""} for size in sizes]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": "x:0"}


METADATA = {
    "model_spec": {"name": "m", "signature_name": "", "version": "3"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "inputs": {
                        "age": _described("DT_FLOAT", -1),
                        "count": _described("DT_INT64", -1),
                        "word": _described("DT_STRING", -1),
                        "pair": _described("DT_DOUBLE", -1, 2),
                    },
                    "outputs": {
                        "scores": _described("DT_FLOAT", -1),
                        "classes": _described("DT_STRING", -1),
                        "raw_bytes": _described("DT_STRING", -1),
                    },
                    "method_name": "tensorflow/serving/predict",
                },
                "single": {
                    "inputs": {"age": _described("DT_FLOAT", -1)},
                    "outputs": {"scores": _described("DT_FLOAT", -1)},
                    "method_name": "tensorflow/serving/predict",
                },
                "odd": {"inputs": {"z": _described("DT_COMPLEX64", -1)}, "outputs": {}},
            }
        }
    },
}
COLUMNS = {
    "age": [1.5, math.nan, 3.0],
    "count": [1, 2, 2**62],
    "word": ["a", b"b", b"\xff"],
    "pair": [[1, 2], [3, 4], [5, math.inf]],
}


class _Server:
    """Answers with what the requests held; `before` are answers that come first."""

    def __init__(self, *before):
        self.before = list(before)
        self.requests = []
        self.waits = []

    def __call__(self, request):
        if request.url.path.endswith("/metadata"):
            return httpx.Response(200, json=METADATA)
        body = json.loads(request.content)
        self.requests.append((request, body))
        if self.before:
            answer = self.before.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        ages = body["inputs"]["age"]
        if body["signature_name"] == "single":
            return httpx.Response(200, text=json.dumps({"outputs": ages}))
        outputs = {
            "scores": ages,
            "classes": ["yes" for _ in ages],
            "raw_bytes": [{"b64": "/wA="} for _ in ages],
        }
        return httpx.Response(200, text=json.dumps({"outputs": outputs}))

    def client(self, url="http://host/v1/models/m", signature="serving_default", **options):
        options = ClientOptions(
            transport=httpx.MockTransport(self), sleep=self.waits.append, seed=1, **options
        )
        return Client(url, signature=signature, options=options)


def test_the_client_learns_what_the_model_takes_and_gives():
    client = _Server().client()
    assert client.inputs["pair"] == Port("pair", "float64", (None, 2))
    assert [port.dtype for port in client.outputs.values()] == ["float32", "string", "string"]


def test_columns_go_and_come_with_their_types():
    server = _Server()
    with server.client() as client:
        answer = client.predict(COLUMNS)
    assert answer["scores"].dtype == np.float32
    np.testing.assert_array_equal(answer["scores"], np.array(COLUMNS["age"], np.float32))
    assert answer["classes"].tolist() == ["yes"] * 3
    assert answer["raw_bytes"].tolist() == [b"\xff\x00"] * 3
    ((request, body),) = server.requests
    assert request.url.path == "/v1/models/m:predict"
    assert body["inputs"]["count"] == [1, 2, 2**62]
    assert body["inputs"]["word"] == ["a", "b", {"b64": "/w=="}]
    assert body["inputs"]["pair"][2] == [5.0, math.inf]


def test_an_output_that_is_alone_stands_without_its_name():
    answer = _Server().client(signature="single").predict({"age": [1, 2]})
    assert answer["scores"].tolist() == [1.0, 2.0]


def test_many_rows_go_in_several_requests():
    server = _Server()
    ages = np.arange(10, dtype=np.float32)
    answer = server.client(signature="single", batch_rows=4).predict({"age": ages})
    assert [len(body["inputs"]["age"]) for _, body in server.requests] == [4, 4, 2]
    np.testing.assert_array_equal(answer["scores"], ages)


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"ages": [1, 2, 3]}, "did you mean 'age'"),
        ({"age": None}, "'age' is missing"),
        ({"age": [1, 2]}, "equally long"),
        ({"age": ["1", "2", "3"]}, "'age' does not fit.*values of type str"),
        ({"age": [1e39, 0, 0]}, "1e.39 in row 0"),
        ({"age": [None, 1.0, 2.0]}, "values of type object"),
        ({"age": [[1], [2], [3]]}, r"shape \[3, 1\]"),
        ({"age": 1.0}, r"shape \[\]"),
        ({"count": [1, 2.5, 3]}, "2.5 in row 1"),
        ({"count": [1, math.nan, 3]}, "nan in row 1"),
        ({"count": [0, 0, 2.0**63]}, "in row 2"),
        ({"count": np.array([0, 0, 2**63], np.uint64)}, "9223372036854775808 in row 2"),
        ({"word": [1, "a", "b"]}, "values of type int"),
        ({"word": [None, "a", "b"]}, "values of type NoneType"),
        ({"pair": [[1, 2, 3]] * 3}, r"shape \[3, 3\]"),
        ({"pair": [[1, 2], [1], [1, 2]]}, "rows of different shapes"),
        ({name: [] for name in ("age", "count", "word")} | {"pair": np.zeros((0, 2))}, "no rows"),
    ],
)
def test_wrong_columns_are_reported_before_anything_is_sent(change, reported):
    server = _Server()
    columns = {**COLUMNS, **change}
    if change == {"age": None}:
        del columns["age"]
    with pytest.raises(KelpError, match=reported):
        server.client().predict(columns)
    assert not server.requests


def test_a_busy_server_is_asked_again_after_growing_random_waits():
    busy = [httpx.Response(status, json={"error": "busy"}) for status in (429, 503, 503)]
    server = _Server(*busy, httpx.ConnectError("away"))
    server.client(signature="single").predict({"age": [1]})
    assert len(server.requests) == 5
    assert all(0 <= wait <= 0.1 * 2**tried for tried, wait in enumerate(server.waits))
    assert len(set(server.waits)) == 4


def test_waits_stay_bounded_and_heed_the_server():
    answers = [httpx.Response(503, headers={"Retry-After": "3"})] + [httpx.Response(429)] * 8
    server = _Server(*answers)
    server.client(signature="single", tries=10, most_s=4.0).predict({"age": [1]})
    assert 3 <= server.waits[0] <= 3.1
    assert max(server.waits[1:]) <= 4


def test_tries_are_bounded():
    server = _Server(*[httpx.Response(503, json={"error": "no room"})] * 9)
    with pytest.raises(RequestRefused, match="503: no room") as caught:
        server.client(signature="single", tries=3).predict({"age": [1]})
    assert caught.value.status == 503
    assert len(server.requests) == 3
    server = _Server(*[httpx.ConnectError("away")] * 9)
    with pytest.raises(KelpError, match="cannot be reached"):
        server.client(signature="single", tries=2).predict({"age": [1]})
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "row 0: no"}),
        httpx.Response(500, text="oops"),
        httpx.ReadTimeout("slow"),
    ],
)
def test_what_would_fail_again_is_not_sent_again(answer):
    server = _Server(answer)
    with pytest.raises(KelpError):
        server.client(signature="single").predict({"age": [1]})
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [{"outputs": [1.0, 2.0]}, {"outputs": {"scores": [1.0]}}, {"predictions": [1]}, [1], 1.0],
)
def test_an_answer_that_does_not_fit_is_reported(answer):
    server = _Server(httpx.Response(200, json=answer))
    with pytest.raises(KelpError, match="does not fit the model's metadata"):
        server.client(signature="single").predict({"age": [1]})


def test_what_is_no_such_server_is_reported():
    options = ClientOptions(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, json={"hello": 1}))
    )
    with pytest.raises(KelpError, match="metadata cannot be read"):
        Client("http://host", "m", options=options)
    with pytest.raises(KelpError, match="no signature 'odd'"):
        _Server().client(signature="odd")


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (("http://h/", "m"), "http://h/v1/models/m"),
        (("http://h/v1/models/m/",), "http://h/v1/models/m"),
        (("http://h", "m", 3), "http://h/v1/models/m/versions/3"),
        (("http://h/v1/models/m", None, None, "stable"), "http://h/v1/models/m/labels/stable"),
        (("http://h/v1/models/m/versions/2",), "http://h/v1/models/m/versions/2"),
        (("http://h/prefix", "a/b"), "http://h/prefix/v1/models/a%2Fb"),
    ],
)
def test_a_model_has_one_address(arguments, url):
    assert model_url(*arguments) == url


@pytest.mark.parametrize(
    "arguments",
    [
        ("http://h",),
        ("http://h/v1/models/m", "m"),
        ("http://h/v1/models/m/versions/2", None, 3),
        ("http://h", "m", 3, "stable"),
    ],
)
def test_a_model_that_is_not_said_once_is_reported(arguments):
    with pytest.raises(KelpError):
        model_url(*arguments)


def test_the_key_travels_with_each_request():
    server = _Server()
    server.client(signature="single", api_key="secret").predict({"age": [1]})
    assert server.requests[0][0].headers["X-API-Key"] == "secret"


_FLOATS = hnp.arrays(np.float32, st.integers(1, 5), elements=st.floats(width=32))
_TEXTS = st.lists(st.binary(max_size=5) | st.text(st.characters(exclude_categories=["Cs"])))


@given(_FLOATS, _TEXTS.filter(len))
def test_bodies_hold_every_value_as_it_was(floats, texts):
    port = {"x": Port("x", "float32", (None,))}
    body = request_body(check_columns({"x": floats}, Signature("s", port, {}), ""), "s")
    read = np.array(json.loads(body)["inputs"]["x"], np.float32)
    np.testing.assert_array_equal(read, floats)
    port = {"x": Port("x", "string", (None,))}
    body = request_body(check_columns({"x": texts}, Signature("s", port, {}), ""), "s")
    content = json.loads(body)["inputs"]["x"]
    assert len(content) == len(texts)


def test_the_client_needs_no_tensorflow():
    code = "import sys, serving.client; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
