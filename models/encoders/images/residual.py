"""A residual network (He et al., 2016), for images larger or more varied than digits."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.encoders.images.kind import NONE, ImageEncoder, Scale, batch_norm, conv_block, narrower


class ResidualEncoder(ImageEncoder):
    """Blocks of two convolutions with a shortcut around them.

    Attributes:
      filters: Of each stage; all but the first halve the resolution.
      blocks: Of each stage.
      dropout: The share of the encoded image that is dropped in training.
    """

    kind: Literal["residual"] = "residual"
    filters: tuple[int, ...] = Field((32, 64, 128), min_length=1)
    blocks: int = Field(2, ge=1, le=16)
    dropout: float = Field(0.0, ge=0, lt=1)

    def encode(self, pixels: Any, prefix: str, scale: Scale, keras_module: Any) -> Any:
        """See `ImageEncoder`."""
        layers = keras_module.layers
        tensor = conv_block(pixels, self.filters[0], keras_module, f"{prefix}_stem")
        for stage, filters in enumerate(self.filters):
            for index in range(self.blocks):
                stride = 2 if stage and not index else 1
                name = f"{prefix}_stage_{stage}_block_{index}"
                tensor = _block(tensor, filters, stride, keras_module, name)
        tensor = layers.GlobalAveragePooling2D(name=f"{prefix}_pool")(tensor)
        if self.dropout:
            tensor = layers.Dropout(self.dropout, name=f"{prefix}_dropout")(tensor)
        return tensor

    def student(self, scale: float) -> ResidualEncoder:
        """Fewer filters."""
        filters = narrower(self.filters, scale)
        return self.model_copy(update={"filters": filters, "weights": NONE, "sha256": ""})


def _block(tensor: Any, filters: int, stride: int, keras_module: Any, name: str) -> Any:
    layers = keras_module.layers
    shortcut = tensor
    if stride > 1 or tensor.shape[-1] != filters:
        shortcut = layers.Conv2D(
            filters, 1, strides=stride, padding="same", use_bias=False, name=f"{name}_shortcut"
        )(tensor)
        shortcut = batch_norm(shortcut, keras_module, f"{name}_shortcut_norm")
    inner = conv_block(tensor, filters, keras_module, f"{name}_conv_0", stride=stride)
    inner = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv_1")(inner)
    inner = batch_norm(inner, keras_module, f"{name}_conv_1_norm")
    joined = layers.Add(name=f"{name}_add")([shortcut, inner])
    return layers.Activation("relu", name=f"{name}_activation")(joined)
