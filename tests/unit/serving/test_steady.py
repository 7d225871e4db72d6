"""Graphs of which values decide how long they take, and graphs of which only shapes do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from serving.steady import is_steady


def double(x: Any) -> Any:
    tf.debugging.assert_less(x, 1e9)
    return x * 2.0 + tf.fill(tf.shape(x), 1.0)


def network(x: Any) -> Any:
    hidden = tf.nn.relu(
        tf.stack([x, tf.where(tf.math.is_nan(x), 0.0, x)], axis=1) @ tf.ones([2, 3])
    )
    return tf.function(lambda: tf.nn.softmax(tf.tile(hidden, [1, 2])))()


def loop(x: Any) -> Any:
    most = tf.reduce_max(x)
    return tf.while_loop(lambda i: i < most, lambda i: (i + 1.0,), (tf.constant(0.0),))[0] + x


def in_a_call(x: Any) -> Any:
    return tf.function(loop)(x)


def branch(x: Any) -> Any:
    return tf.cond(x[0] > 0, lambda: tf.sort(x), lambda: x)


def branch_by_shape(x: Any) -> Any:
    return tf.cond(tf.size(x) > 40, lambda: tf.sort(x), lambda: x)


def filled(x: Any) -> Any:
    return x + tf.reduce_sum(tf.fill([tf.cast(tf.reduce_max(x), tf.int32)], 1.0))


def ranged(x: Any) -> Any:
    return x + tf.reduce_sum(tf.range(tf.reduce_max(x)))


def tiled(x: Any) -> Any:
    return tf.tile(x, [tf.cast(x[0], tf.int32)])


def mapped(x: Any) -> Any:
    return tf.map_fn(lambda value: value * 2.0, x)


def python(x: Any) -> Any:
    return tf.numpy_function(lambda value: value, [x], tf.float32)


def graph_of(call: Callable[[Any], Any]) -> Any:
    return tf.function(call).get_concrete_function(tf.TensorSpec([None], tf.float32)).graph


@pytest.mark.parametrize("call", [double, network])
def test_shapes_decide(call: Callable[[Any], Any]) -> None:
    assert is_steady(graph_of(call).as_graph_def())


VALUES_DECIDE = (
    loop, in_a_call, branch, branch_by_shape, filled, ranged, tiled, mapped, python,
)  # fmt: skip


@pytest.mark.parametrize("call", VALUES_DECIDE)
def test_values_decide(call: Callable[[Any], Any]) -> None:
    assert not is_steady(graph_of(call).as_graph_def())


def test_what_is_captured_is_fixed() -> None:
    size = tf.Variable(3)
    graph = graph_of(lambda x: x[0] + tf.fill([size], 1.0))
    captured = [placeholder.op.name for _, placeholder in graph.captures]
    assert captured
    assert not is_steady(graph.as_graph_def())
    assert is_steady(graph.as_graph_def(), captured)


def doubled(x: Any) -> Any:
    return x * 2.0


@pytest.mark.parametrize(("side", "steady"), [(doubled, True), (loop, False), (tiled, False)])
def test_a_branch_that_is_always_the_same_is_what_its_sides_are(
    side: Callable[[Any], Any], steady: bool
) -> None:
    learned = tf.Variable([1.0, 2.0])
    graph = graph_of(lambda x: tf.cond(learned[0] > 0.5, lambda: side(x), lambda: x))
    captured = [placeholder.op.name for _, placeholder in graph.captures]
    assert any(node.op == "StatelessIf" for node in graph.as_graph_def().node)
    assert is_steady(graph.as_graph_def(), captured) == steady
    assert not is_steady(graph.as_graph_def())
