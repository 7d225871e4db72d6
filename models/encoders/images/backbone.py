"""Networks of `keras.applications`, with weights learned from ImageNet or without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from models.encoders.images.cnn import CnnEncoder
from models.encoders.images.kind import NORM_MOMENTUM, ImageEncoder, Scale, narrower
from models.encoders.pretrained import copy_weights, download_weights

_IMAGENET = "imagenet"
_FEWEST_PIXELS = 32
_STUDENT_FILTERS = (32, 64, 128, 256)
# Of red, green and blue, from 0 to 255, over the images of ImageNet.
_MEAN, _DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_CENTRE = (127.5, 127.5, 127.5)

# The one layer with weights that `keras.applications` gives no name: the last one of ConvNeXt.
_UNNAMED = "layer_normalization"


@dataclass(frozen=True)
class Backbone:
    """A network of `keras.applications`, and what its weights expect.

    Attributes:
      application: Its name there.
      file: Its published weights, without the head, below Keras's own address.
      digest: MD5 or SHA-256 of that file, as Keras has it.
      mean: Of each channel, is subtracted from values of 0 to 255.
      deviation: Of each channel, divides what is left.
      options: Further arguments.
      blue_first: The published weights are of images whose first channel is blue.
    """

    application: str
    file: str
    digest: str
    mean: tuple[float, ...] = _MEAN
    deviation: tuple[float, ...] = _DEVIATION
    options: Mapping[str, Any] = field(default_factory=lambda: {"include_preprocessing": False})
    blue_first: bool = False


BACKBONES: Mapping[str, Backbone] = {
    "mobilenet_v3_small": Backbone(
        "MobileNetV3Small",
        "mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
        "d3e8ec802a04aa4fc771ee12a9a9b836",
        _CENTRE,
        _CENTRE,
    ),
    "mobilenet_v3_large": Backbone(
        "MobileNetV3Large",
        "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        "07fb09a5933dd0c8eaafa16978110389",
        _CENTRE,
        _CENTRE,
    ),
    "efficientnet_v2_b0": Backbone(
        "EfficientNetV2B0",
        "efficientnet_v2/efficientnetv2-b0_notop.h5",
        "893217f2bb855e2983157299931e43ff",
    ),
    "convnext_tiny": Backbone(
        "ConvNeXtTiny",
        "convnext/convnext_tiny_notop.h5",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
    "resnet50": Backbone(
        "ResNet50",
        "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "4d473c1dd8becc155b73f8504c6f6626",
        (123.68, 116.779, 103.939),
        (1.0, 1.0, 1.0),
        {},
        blue_first=True,
    ),
}


class BackboneEncoder(ImageEncoder):
    """A network of `keras.applications`, and the mean over what it gives for each place.

    Attributes:
      backbone: Which.
      weights: `imagenet`; `none`; or the path of weights of this network without its head, as
        `keras.applications` publishes them (`.h5`), or of a `network.keras` that a run has left.
      dropout: The share of the encoded image that is dropped in training.
    """

    kind: Literal["backbone"] = "backbone"
    backbone: Literal[
        "mobilenet_v3_small",
        "mobilenet_v3_large",
        "efficientnet_v2_b0",
        "convnext_tiny",
        "resnet50",
    ]
    dropout: float = Field(0.0, ge=0, lt=1)

    @classmethod
    def weights_file(cls, keys: Mapping[str, Any]) -> str:
        """The published weights are downloaded once."""
        backbone = BACKBONES.get(str(keys.get("backbone")))
        if keys["weights"] != _IMAGENET or backbone is None:
            return super().weights_file(keys)
        return download_weights(backbone.file, backbone.digest)

    def encode(self, pixels: Any, prefix: str, scale: Scale, keras_module: Any) -> Any:
        """See `ImageEncoder`."""
        layers = keras_module.layers
        backbone = BACKBONES[self.backbone]
        offset, divisor = scale
        if pixels.shape[-1] == 1:
            pixels = layers.Concatenate(name=f"{prefix}_channels")([pixels] * 3)
        factors = [divisor / deviation for deviation in backbone.deviation]
        shifts = [
            (offset - mean) / deviation
            for mean, deviation in zip(backbone.mean, backbone.deviation, strict=True)
        ]
        pixels = layers.Rescaling(factors, shifts, name=f"{prefix}_scaled")(pixels)
        tensor = _plain_layers(backbone, pixels, prefix, keras_module)
        tensor = layers.GlobalAveragePooling2D(name=f"{prefix}_pool")(tensor)
        if self.dropout:
            tensor = layers.Dropout(self.dropout, name=f"{prefix}_dropout")(tensor)
        return tensor

    def start(self, path: str, prefix: str, network: Any) -> None:
        """See `ImageEncoder`."""
        if path.endswith(".keras"):
            super().start(path, prefix, network)
            return
        backbone = BACKBONES[self.backbone]
        source = _load_published(backbone, path)
        known = {_fixed_name(layer): layer.get_weights() for layer in source.layers}
        copy_weights(known, path, prefix, network)

    def student(self, scale: float) -> CnnEncoder:
        """A small convolutional network."""
        return CnnEncoder(filters=narrower(_STUDENT_FILTERS, scale), dropout=self.dropout)

    def fewest_pixels(self) -> int:
        """The resolution is halved five times."""
        return _FEWEST_PIXELS


def _plain_layers(backbone: Backbone, pixels: Any, prefix: str, keras_module: Any) -> Any:
    """The network's layers, named apart, and no model around them."""
    build = getattr(keras_module.applications, backbone.application)
    model = build(include_top=False, weights=None, input_tensor=pixels, **backbone.options)
    before = keras_module.Model(model.inputs, pixels)
    own = {id(layer) for layer in before.layers}
    for layer in model.layers:
        if id(layer) not in own:
            # Under tf_keras `name` is a property.
            key = "_name" if isinstance(getattr(type(layer), "name", None), property) else "name"
            setattr(layer, key, f"{prefix}_{_fixed_name(layer)}")
            if isinstance(layer, keras_module.layers.BatchNormalization):
                layer.momentum = NORM_MOMENTUM
    return model.output


def _fixed_name(layer: Any) -> str:
    """The name of a layer, without the number that Keras gives to one that has no name."""
    name: str = layer.name
    return _UNNAMED if re.fullmatch(rf"{_UNNAMED}_\d+", name) else name


def _load_published(backbone: Backbone, path: str) -> Any:
    import keras

    build = getattr(keras.applications, backbone.application)
    model = build(include_top=False, weights=path, **backbone.options)
    if backbone.blue_first:
        first = next(layer for layer in model.layers if layer.weights)
        kernel, *others = first.get_weights()
        first.set_weights([kernel[:, :, ::-1], *others])
    return model
