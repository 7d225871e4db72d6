"""What a SavedModel says of its inputs that take images: a server can name the one that fails."""

from __future__ import annotations

import json
from typing import Any

import tensorflow as tf

from contracts.names import serving_name
from models.features.image import ImageSpec
from models.features.spec import FeaturesSpec


def add_image_inputs(saved: tf.Module, problem: FeaturesSpec) -> None:
    """Gives a module the function `image_inputs`, where its problem has images.

    It returns JSON: by input, how many pixels an image may have. It is no signature.
    """
    limits = {
        serving_name(column): spec.max_pixels
        for name, spec in problem.features.items()
        if isinstance(spec, ImageSpec)
        for column in spec.raw_columns(name)
    }
    if not limits:
        return
    text = json.dumps(limits)

    def image_inputs() -> Any:
        return tf.constant(text)

    saved.image_inputs = tf.function(image_inputs, input_signature=[], autograph=False)


def image_limits(saved: Any) -> dict[str, int]:
    """What a loaded SavedModel's `image_inputs` says; empty where it takes no image."""
    function = getattr(saved, "image_inputs", None)
    return {} if function is None else dict(json.loads(function().numpy()))
