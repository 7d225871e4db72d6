"""Layers that start from weights of another training: which, and how they are tuned."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.arrays import Array
from contracts.errors import ConfigError, ModelError
from contracts.files import file_digest

_KERAS_ADDRESS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_CACHE = "models"


@dataclass(frozen=True)
class Pretrained:
    """How the layers of an encoder start, and how they go on.

    Attributes:
      start: Puts the weights into a network.
      prefix: Of the names of the encoder's layers: `<feature>_<kind>`.
      frozen_epochs: How many epochs the layers stay as they are.
      rate: Then, their learning rate as a share of that of all others.
      tuned_prefixes: Gives what the names of the layers that are tuned begin with; all others stay
        as they are. None tunes them all.
    """

    start: Callable[[Any], object]
    prefix: str
    frozen_epochs: int
    rate: float
    tuned_prefixes: Callable[[], tuple[str, ...]] | None = None

    def tuned_layers(self, network: Any) -> list[Any]:
        """The encoder's layers in a network, of any Keras, that are tuned.

        The others are set to be not trainable.
        """
        own = [
            layer
            for layer in network.layers
            if layer.name.startswith(f"{self.prefix}_") and layer.weights
        ]
        if self.tuned_prefixes is not None:
            tuned = self.tuned_prefixes()
            for layer in own:
                layer.trainable = layer.name.startswith(tuned)
        return [layer for layer in own if layer.trainable]


def weights_digest(path: str) -> str:
    """SHA-256 of a file of weights.

    Raises:
      ConfigError: there is no such file.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(
            f"there is no file of weights {path}",
            where="encoder.weights of an image",
            expected="a network.keras that a run has left, such as "
            "runs/NAME/artifacts/Trainer/model_run/3/network.keras, or none",
            received=path,
            fix="correct the path; it is relative to the folder in which you call kelp",
        )
    return file_digest(file)


def download_weights(file: str, digest: str) -> str:
    """Gives the path of weights that `keras.applications` publishes; downloads them once.

    Args:
      file: Below Keras's address.
      digest: What the file must have: MD5 or SHA-256.

    Raises:
      ConfigError: they are not on this machine, and cannot be downloaded.
    """
    import keras

    name = file.rpartition("/")[2]
    home = os.environ.get("KERAS_HOME") or str(Path.home() / ".keras")
    place = Path(home) / _CACHE / name
    try:
        path: str = keras.utils.get_file(
            name,
            _KERAS_ADDRESS + file,
            cache_subdir=_CACHE,
            file_hash=digest,
            cache_dir=home,
        )
    except Exception as error:  # Keras raises no other class where there is no network
        raise ConfigError(
            f"the weights of ImageNet {name} cannot be downloaded",
            where="encoder.weights of an image",
            expected=f"a network, or the file {place}",
            received=" ".join(str(error).split()),
            fix=f"on a machine with a network, download {_KERAS_ADDRESS}{file}, and bring it to "
            f"{place}; or give its path in place of imagenet; or weights: none",
        ) from error
    return path


def check_digest(path: str, expected: str) -> None:
    """Checks that weights are those that the config was read with.

    Raises:
      ConfigError: there are none.
      ModelError: they are others.
    """
    received = weights_digest(path)
    if received != expected:
        raise ModelError(
            "the pretrained weights have changed since the run began",
            where=path,
            expected=f"SHA-256 {expected}",
            received=received,
            fix="start the run again",
        )


def start_from_network(path: str, prefix: str, network: Any) -> None:
    """Copies the weights of an encoder's layers from a network that Keras has saved.

    Layers are matched by what follows the encoder's prefix in their names, so that the feature
    may have another name.

    Args:
      path: A `.keras` file.
      prefix: Of the names of the encoder's layers: `<feature>_<kind>`.
      network: Gets the weights.

    Raises:
      ModelError: a layer of the encoder has no counterpart of its shape.
    """
    import keras

    mark = prefix[prefix.rindex("_") :] + "_"
    other = keras.models.load_model(path, compile=False)
    known = {
        layer.name.partition(mark)[2]: layer.get_weights()
        for layer in other.layers
        if mark in layer.name
    }
    copy_weights(known, path, prefix, network)


def copy_weights(
    known: Mapping[str, Sequence[Array]], path: str, prefix: str, network: Any
) -> None:
    """Copies weights to the layers of an encoder.

    Args:
      known: The weights of each layer, by what follows the prefix in the names of the encoder's.
      path: Where they come from.
      prefix: Of the names of the encoder's layers.
      network: Gets the weights.

    Raises:
      ModelError: a layer of the encoder has no counterpart of its shape.
    """
    for layer in network.layers:
        if not layer.name.startswith(f"{prefix}_") or not layer.weights:
            continue
        source = known.get(layer.name.removeprefix(f"{prefix}_"))
        shapes = [tuple(weight.shape) for weight in layer.weights]
        given = [] if source is None else [weight.shape for weight in source]
        if source is None or given != shapes:
            raise ModelError(
                f"the weights in {path} do not fit the encoder",
                where=f"encoder.weights; layer {layer.name}",
                expected=f"weights of the shapes {shapes}",
                received="no such layer" if source is None else str(given),
                fix="configure the encoder as in the run that the weights come from",
            )
        layer.set_weights(source)
