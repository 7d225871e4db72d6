"""What a SavedModel says of its inputs: a server can refuse what is too large, and name it."""

from __future__ import annotations

import json
from typing import Any

import tensorflow as tf

from contracts.names import serving_name
from models.export.encoding import BATCH_ROWS, encoding_from_json
from models.features.image import ImageSpec
from models.features.spec import FeaturesSpec
from models.features.text import TextSpec

_IMAGES, _TEXTS, _ROWS = "image_inputs", "text_inputs", "row_limit"


def add_input_limits(saved: tf.Module, problem: FeaturesSpec) -> None:
    """Gives a module the functions `image_inputs` and `text_inputs`, as far as it has such inputs.

    They return JSON: by input, how many pixels an image and how many bytes a text may have. They
    are no signatures.
    """
    images: dict[str, int] = {}
    texts: dict[str, int] = {}
    for name, spec in problem.features.items():
        columns = [serving_name(column) for column in spec.raw_columns(name)]
        if isinstance(spec, ImageSpec):
            images |= dict.fromkeys(columns, spec.max_pixels)
        elif isinstance(spec, TextSpec):
            texts |= dict.fromkeys(columns, spec.max_bytes)
    for function_name, limits in ((_IMAGES, images), (_TEXTS, texts)):
        if limits:
            setattr(saved, function_name, _constant(function_name, limits))


def image_limits(saved: Any) -> dict[str, int]:
    """What a loaded SavedModel's `image_inputs` says; empty where it takes no image."""
    function = getattr(saved, _IMAGES, None)
    return {} if function is None else dict(json.loads(function().numpy()))


def add_row_limit(saved: tf.Module, rows: int) -> None:
    """Gives a module the function `row_limit`: JSON with how many rows it takes at once."""
    setattr(saved, _ROWS, _constant(_ROWS, rows))


def row_limit(saved: Any) -> int:
    """How many rows a loaded SavedModel takes at once, by its `row_limit` or its `encoding`."""
    function = getattr(saved, _ROWS, None)
    if function is not None:
        return int(json.loads(function().numpy()))
    encoding = getattr(saved, "encoding", None)
    return BATCH_ROWS if encoding is None else encoding_from_json(encoding().numpy().decode()).rows


def _constant(function_name: str, limits: object) -> Any:
    text = json.dumps(limits)

    def input_limits() -> Any:
        return tf.constant(text)

    input_limits.__name__ = function_name
    return tf.function(input_limits, input_signature=[], autograph=False)
