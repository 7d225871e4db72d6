"""A served model, behind a client, as `kelp predict` takes artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pyarrow as pa

from contracts.arrays import Array
from contracts.columns import TYPES, RawInput, list_sizes, served_columns
from contracts.errors import ModelError
from contracts.text import some
from pipelines.prediction.answers import COLUMNS


class _Port(Protocol):
    @property
    def dtype(self) -> str: ...

    @property
    def shape(self) -> tuple[int | None, ...] | None: ...


class RemoteClient(Protocol):
    """What a client of a server offers."""

    @property
    def url(self) -> str:
        """Where it answers."""

    @property
    def inputs(self) -> Mapping[str, _Port]:
        """What the model takes, by name."""

    @property
    def outputs(self) -> Mapping[str, _Port]:
        """What the model gives, by name."""

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Gives the outputs of the rows that `columns` hold."""


class RemotePredictor:
    """A model that answers somewhere else.

    Attributes:
      types: By input, what its values must be: a `number`, an `integer` or `text`.
      sizes: By input whose rows hold lists of numbers, how long these are.
      images: None: a server does not say which text is an image.

    Args:
      client: The way to it.

    Raises:
      ModelError: the model does not take named raw columns, or gives nothing that is known.
    """

    images: Mapping[str, int] | None = None

    def __init__(self, client: RemoteClient) -> None:
        self._client = client
        odd = [
            f"{name}: {port.dtype}"
            for name, port in client.inputs.items()
            if port.dtype not in TYPES or not _is_column(port)
        ]
        if odd or not set(COLUMNS) & set(client.outputs):
            raise ModelError(
                "the served model is no SavedModel of Kelp's",
                where=client.url,
                expected="inputs with a value or a list of numbers a row, and an output of "
                + ", ".join(COLUMNS),
                received=some(odd) if odd else some(client.outputs),
                fix="name a model that `kelp run` pushed",
            )
        self.types: Mapping[str, str] = {
            name: TYPES[port.dtype] for name, port in client.inputs.items()
        }
        self._taken = {name: _raw_input(port) for name, port in client.inputs.items()}
        self.sizes: Mapping[str, int] = list_sizes(self._taken)

    def inputs(self, table: pa.Table) -> dict[str, Array]:
        """Turns raw rows, missing values being null, into what the model takes."""
        return served_columns(table, self._taken)

    def answers(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Gives all outputs, by name."""
        return self._client.predict(inputs)


def _raw_input(port: _Port) -> RawInput:
    """What an input takes; the first size is that of the batch."""
    return RawInput(port.dtype, tuple(size for size in (port.shape or ())[1:] if size is not None))


def _is_column(port: _Port) -> bool:
    """Whether an input takes a value a row, or a list of numbers of a fixed length."""
    shape = port.shape
    if shape is None or len(shape) == 1:
        return True
    return len(shape) == 2 and shape[1] is not None and port.dtype == "float32"
