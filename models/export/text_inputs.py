"""What a SavedModel says of its inputs that take texts: a server can refuse long ones."""

from __future__ import annotations

import json
from typing import Any

import tensorflow as tf

from contracts.names import serving_name
from models.features.spec import FeaturesSpec
from models.features.text import TextSpec


def add_text_inputs(saved: tf.Module, problem: FeaturesSpec) -> None:
    """Gives a module the function `text_inputs`, where its problem has texts.

    It returns JSON: by input, how many bytes a text may have. It is no signature.
    """
    limits = {
        serving_name(column): spec.max_bytes
        for name, spec in problem.features.items()
        if isinstance(spec, TextSpec)
        for column in spec.raw_columns(name)
    }
    if not limits:
        return
    text = json.dumps(limits)

    def text_inputs() -> Any:
        return tf.constant(text)

    saved.text_inputs = tf.function(text_inputs, input_signature=[], autograph=False)
