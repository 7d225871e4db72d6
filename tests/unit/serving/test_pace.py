"""What may run on the event loop: only what was measured, and lately kept to it."""

from __future__ import annotations

import numpy as np

from serving.codec.requests import Request
from serving.codec.signature import Port, Signature
from serving.pace import MOST_BYTES, Pace, shape_of, size_of

SIGNATURE = Signature(
    "s", {"x": Port("x", "float32", (None, None))}, {"y": Port("y", "float32", (None,))}
)


def asked(*shape: int, dtype: type = np.float32) -> Request:
    return Request(SIGNATURE, by_row=False, rows=shape[0], inputs={"x": np.zeros(shape, dtype)})


def test_only_measured_shapes_of_steady_signatures_are_quick() -> None:
    pace = Pace(steady=("s",), rows=64, most_s=0.005)
    shape = shape_of([asked(2, 3)], 2, 24)
    assert not pace.is_quick("s", shape, 2, 24)
    for seconds in (0.001, 0.020):  # the second one waited for others
        pace.note(shape, seconds, on_loop=False)
    assert pace.is_quick("s", shape, 2, 24)
    assert not pace.is_quick("other", shape, 2, 24)
    assert not pace.is_quick("s", shape, 65, 24)
    assert not pace.is_quick("s", shape, 2, MOST_BYTES + 1)
    assert not pace.is_quick("s", shape_of([asked(2, 4)], 2, 24), 2, 24)
    assert not pace.is_quick("s", shape_of([asked(4, 3)], 4, 24), 4, 24)


def test_a_slow_shape_stays_on_the_thread() -> None:
    pace = Pace(steady=("s",), rows=64, most_s=0.005)
    shape = shape_of([asked(2, 3)], 2, 24)
    for _ in range(100):
        pace.note(shape, 0.006, on_loop=False)
    assert not pace.is_quick("s", shape, 2, 24)


def test_each_excess_asks_for_more_measurements() -> None:
    pace = Pace(steady=("s",), rows=64, most_s=0.005)
    shape = shape_of([asked(1, 3)], 1, 12)
    needed = []
    for _ in range(3):
        count = 0
        while not pace.is_quick("s", shape, 1, 12):
            pace.note(shape, 0.001, on_loop=False)
            count += 1
        needed.append(count)
        pace.note(shape, 0.1, on_loop=True)
        assert not pace.is_quick("s", shape, 1, 12)
    assert needed == [2, 4, 8]


def test_sizes() -> None:
    assert size_of(asked(2, 3)) == 24
    texts = np.array([b"ab", b"", b"cde"], object)
    request = Request(SIGNATURE, by_row=False, rows=3, inputs={"x": texts})
    assert size_of(request) == 5
    many = Request(SIGNATURE, by_row=False, rows=1, inputs={"x": np.full((1, 9000), b"", object)})
    assert size_of(many) > MOST_BYTES
