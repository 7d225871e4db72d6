"""Paths as TensorFlow Serving reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import ServingError
from serving.http.routes import Route, Router

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("verb", "path", "expected"),
    [
        ("POST", b"/v1/models/m:predict", Route("predict", "m")),
        ("POST", b"/V1/Models/m:predict", Route("predict", "m")),
        ("POST", b"/v1/models/m/versions/12:classify", Route("classify", "m", 12)),
        ("POST", b"/v1/models/m/versions/007:regress", Route("regress", "m", 7)),
        ("POST", b"/v1/models/m/labels/stable:predict", Route("predict", "m", None, "stable")),
        ("POST", b"/v1/models/a%20b:predict", Route("predict", "a b")),
        ("POST", b"/v1/models/%2e%2e%2f%2e%2e:predict", Route("predict", "../..")),
        ("POST", b"/v1/models/m%00:predict", Route("predict", "m\0")),
        ("GET", b"/v1/models/m", Route("status", "m")),
        ("GET", b"/v1/models/m/versions/1", Route("status", "m", 1)),
        ("GET", f"/v1/models/m/versions/{LARGEST}".encode(), Route("status", "m", LARGEST)),
        ("GET", b"/v1/models/m/labels/x", Route("status", "m", None, "x")),
        ("GET", b"/v1/models/m/metadata", Route("metadata", "m")),
        ("GET", b"/v1/models/m/versions/1/metadata", Route("metadata", "m", 1)),
        ("GET", b"/v1/models/m/METADATA", Route("status", "m")),
        ("GET", b"/v1/models/metadata", Route("status", "metadata")),
    ],
)
def test_routes(verb: str, path: bytes, expected: Route) -> None:
    router = Router()
    assert router.route(verb, path) == expected
    assert router.route(verb, path) == expected  # remembered


@pytest.mark.parametrize(
    ("verb", "path", "status", "reported"),
    [
        ("GET", b"/", 404, "Not found: /"),
        ("GET", b"/v2/models/m", 404, "Not found"),
        ("GET", b"/v1", 404, "Not found"),
        ("GET", b"/v1/models", 400, "Missing model name in request."),
        ("GET", b"/v1/models/", 400, "Malformed request: GET /v1/models/"),
        ("GET", b"/v1/models/m:predict", 400, "Malformed request"),
        ("POST", b"/v1/models/m", 400, "Malformed request: POST /v1/models/m"),
        ("POST", b"/v1/models/m:explain", 400, "Malformed request"),
        ("POST", b"/v1/models/m/:predict", 400, "Malformed request"),
        ("POST", b"/v1/models/a/b:predict", 400, "Malformed request"),
        ("POST", b"/v1/models/m/versions/:predict", 400, "Malformed request"),
        ("POST", b"/v1/models/m/versions/-1:predict", 400, "Malformed request"),
        ("POST", b"/v1/models/m/versions/1/labels/x:predict", 400, "Malformed request"),
        ("PUT", b"/v1/models/m:predict", 400, "Malformed request: PUT"),
        ("GET", b"/v1/models/../../etc/passwd", 400, "Malformed request"),
        ("GET", b"/v1/models/m/versions/18446744073709551616", 400, "Failed to convert version"),
        ("GET", b"/v1/models/m/versions/" + b"9" * 9000, 400, "Failed to convert version"),
        ("GET", b"/v1/models/%ff", 400, "Failed to decode model name"),
        ("GET", b"/v1/models/m/labels/%ff", 400, "Failed to decode model version label"),
    ],
)
def test_what_is_no_route(verb: str, path: bytes, status: int, reported: str) -> None:
    with pytest.raises(ServingError) as caught:
        Router().route(verb, path)
    assert caught.value.status == status
    assert caught.value.message.startswith(reported)
    assert len(caught.value.message) < 300


@given(st.sampled_from(["GET", "POST", "PUT", "OPTIONS"]), st.binary(max_size=60))
def test_any_path_is_a_route_or_refused(verb: str, tail: bytes) -> None:
    for path in (tail, b"/v1/models/" + tail, b"/v1/models/m/" + tail):
        try:
            name, status = Router().route(verb, path).name, 200
        except ServingError as error:
            name, status = "", error.status
        assert bool(name) == (status == 200)
        assert status in (200, 400, 404)


def test_what_is_remembered_is_bounded() -> None:
    router = Router()
    for number in range(5000):
        router.route("GET", b"/v1/models/m%d" % number)
    assert len(router._known) <= 1024
