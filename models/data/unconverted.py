"""Code that TensorFlow traces as it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tensorflow as tf

F = TypeVar("F", bound=Callable[..., object])


def unconverted(function: F) -> F:
    """Spares a function, and what tf.data traces while it runs, the conversion by autograph.

    It is for Python's `if` and `while` over tensors. Where there are none, parsing, rewriting
    and importing each function anew takes longer than tracing it, in every process of a run.
    """
    wrapped: F = tf.autograph.experimental.do_not_convert(function)
    return wrapped
