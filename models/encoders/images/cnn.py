"""A small convolutional network: the default."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.encoders.images.kind import NONE, ImageEncoder, Scale, conv_block, narrower


class CnnEncoder(ImageEncoder):
    """Stages of convolutions, each at half the resolution of the one before.

    Attributes:
      filters: Of each stage.
      depth: Convolutions a stage.
      pool: What becomes of the last stage: the mean over its pixels, or all of them.
      dropout: The share of the encoded image that is dropped in training.
    """

    kind: Literal["cnn"] = "cnn"
    filters: tuple[int, ...] = Field((32, 64, 128), min_length=1)
    depth: int = Field(1, ge=1, le=8)
    pool: Literal["mean", "all"] = "mean"
    dropout: float = Field(0.0, ge=0, lt=1)

    def encode(self, pixels: Any, prefix: str, scale: Scale, keras_module: Any) -> Any:
        """See `ImageEncoder`."""
        layers = keras_module.layers
        tensor = pixels
        for stage, filters in enumerate(self.filters):
            for index in range(self.depth):
                name = f"{prefix}_stage_{stage}_conv_{index}"
                tensor = conv_block(tensor, filters, keras_module, name)
            if min(tensor.shape[1:3]) > 1:
                tensor = layers.MaxPooling2D(2, name=f"{prefix}_stage_{stage}_pool")(tensor)
        pool = layers.GlobalAveragePooling2D if self.pool == "mean" else layers.Flatten
        tensor = pool(name=f"{prefix}_pool")(tensor)
        if self.dropout:
            tensor = layers.Dropout(self.dropout, name=f"{prefix}_dropout")(tensor)
        return tensor

    def student(self, scale: float) -> CnnEncoder:
        """Fewer filters."""
        filters = narrower(self.filters, scale)
        return self.model_copy(update={"filters": filters, "weights": NONE, "sha256": ""})
