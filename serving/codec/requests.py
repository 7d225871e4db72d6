"""Bodies of `:predict` to the inputs of a signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from serving.codec.explain import column_problem, rows_problem
from serving.codec.layout import Columns, join, layout_of
from serving.codec.parse import parse, shown
from serving.codec.signature import DEFAULT_SIGNATURE, Port, Signature, fits
from serving.codec.values import UnfitError, flatten, is_base64, to_array
from serving.errors import ServingError


class Request:
    """What a body asks for.

    Rows whose form is settled by the signature are kept as they came, because those of
    several requests become tensors faster together; `columns` does it for this one alone.

    Attributes:
      signature: The signature that it calls.
      by_row: Whether it came by row, as the answer then does.
      rows: How many rows it has; None where its inputs are not equally long.
    """

    __slots__ = ("_inputs", "_mergeable", "_raw", "_read", "by_row", "rows", "signature")

    def __init__(
        self,
        signature: Signature,
        *,
        by_row: bool,
        rows: int | None,
        inputs: Mapping[str, np.ndarray] | None = None,
        raw: Sequence[Any] = (),
        read: Callable[[Sequence[Any]], Columns] | None = None,
        mergeable: bool | None = None,
    ) -> None:
        self.signature = signature
        self.by_row = by_row
        self.rows = rows
        self._inputs = inputs
        self._raw = raw
        self._read = read
        self._mergeable = is_mergeable(signature) if mergeable is None else mergeable

    @property
    def inputs(self) -> Mapping[str, np.ndarray]:
        """Its inputs: `Columns` wherever they can be packed.

        Raises:
          ServingError: if the rows do not fit the signature.
        """
        if self._inputs is None:
            assert self._read is not None
            try:
                self._inputs = self._read(self._raw)
            except (UnfitError, KeyError):
                place = _first_wrong_row(self._raw, self._read)
                raise rows_problem(self._raw, place, self.signature) from None
        return self._inputs

    @property
    def inner_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of its inputs' rows; empty where the signature alone decides them."""
        if self._inputs is None:
            return ()
        if isinstance(self._inputs, Columns):
            return tuple(array.shape[1:] for array in self._inputs.others.values())
        if self._mergeable:
            return tuple(array.shape[1:] for array in self._inputs.values())
        return tuple(array.shape for array in self._inputs.values())

    def take_part(self, of: Mapping[str, np.ndarray], start: int, end: int) -> None:
        """Takes its inputs from those of a call that it was a part of, if it has none yet."""
        if self._inputs is None and isinstance(of, Columns):
            self._inputs = of.part(start, end)

    def goes_with(self, other: Request) -> bool:
        """Whether the rows of both can stand in one call."""
        if self.signature is not other.signature or not self._mergeable:
            return False
        if self._inputs is None or other._inputs is None:
            return self._inputs is None and other._inputs is None
        if not isinstance(self._inputs, Columns) or not isinstance(other._inputs, Columns):
            return False
        theirs = other._inputs.others
        return all(
            array.shape[1:] == theirs[name].shape[1:] for name, array in self._inputs.others.items()
        )


def is_mergeable(signature: Signature) -> bool:
    """Whether the rows of several requests may stand in one call."""
    ports = [*signature.inputs.values(), *signature.outputs.values()]
    return all(port.shape is not None and port.shape[:1] == (None,) for port in ports)


def join_inputs(requests: Sequence[Request]) -> Mapping[str, np.ndarray]:
    """The inputs of requests that go with one another, one after another.

    Raises:
      UnfitError: if one of several does not fit the signature.
      ServingError: if the only one does not.
    """
    first = requests[0]
    if len(requests) == 1:
        return first.inputs
    if first._inputs is None:
        assert first._read is not None
        try:
            return first._read([row for each in requests for row in each._raw])
        except KeyError:
            raise UnfitError from None
    return join([each.inputs for each in requests if isinstance(each.inputs, Columns)])


class Decoder:
    """Reads the bodies of `:predict` requests to one model.

    Args:
      signatures: The model's signatures by name.
      rows: Most rows in one request.
      depth: Deepest nesting.
    """

    def __init__(self, signatures: Mapping[str, Signature], rows: int, depth: int) -> None:
        self._decoders = {name: _SignatureDecoder(signatures[name], depth) for name in signatures}
        self._rows = rows
        self._depth = depth

    def decode(self, body: bytes) -> Request:
        """Reads one body, up to what `Request.inputs` does.

        Raises:
          ServingError: if it is no request that the model can answer.
        """
        document = parse(body, self._depth, _count_keys)
        decoder = self._decoders.get(signature_name(document))
        if decoder is None:
            raise ServingError(
                400,
                f'Serving signature name: "{shown(signature_name(document))[1:-1]}" not found '
                "in signature def",
            )
        rows, columns = document.get("instances", _ABSENT), document.get("inputs", _ABSENT)
        if rows is not _ABSENT and columns is not _ABSENT:
            raise ServingError(
                400,
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys "
                "to exist",
            )
        if rows is not _ABSENT:
            return decoder.by_row(self._checked(rows))
        if columns is not _ABSENT:
            return self._bounded(decoder.by_column(columns))
        raise ServingError(400, "Missing 'inputs' or 'instances' key")

    def _checked(self, rows: Any) -> list[Any]:
        if type(rows) is not list:
            raise ServingError(400, "Excepting 'instances' to be an list/array")
        if not rows:
            raise ServingError(400, "No values in 'instances' array")
        if len(rows) > self._rows:
            raise _too_many(len(rows), self._rows)
        return rows

    def _bounded(self, request: Request) -> Request:
        most = max((len(each) for each in request.inputs.values() if each.ndim), default=0)
        if most > self._rows:
            raise _too_many(most, self._rows)
        return request


def signature_name(document: Mapping[str, Any]) -> str:
    """The signature that a body names, or the default one.

    Raises:
      ServingError: if the name is no string.
    """
    name = document.get("signature_name", "")
    if type(name) is not str:
        raise ServingError(
            400,
            f"JSON Value: {shown(name)} not formatted correctly. 'signature_name' key must be "
            "a string value.",
        )
    return name or DEFAULT_SIGNATURE


class _SignatureDecoder:
    """Reads rows and columns for one signature; resolves once what can be."""

    def __init__(self, signature: Signature, depth: int) -> None:
        self._signature = signature
        self._depth = depth
        self._layout = layout_of(signature)
        self._getters = [itemgetter(*names) for names in self._layout.groups]
        self._count = len(signature.inputs)
        self._mergeable = is_mergeable(signature)
        self._settled = all(
            port.shape is not None and None not in port.shape[1:] for port in self._layout.others
        )

    def by_row(self, rows: list[Any]) -> Request:
        self._refuse_no_inputs()
        first = rows[0]
        if type(first) is not dict and self._count > 1:
            raise ServingError(
                400,
                "instances is a plain list, but expecting list of objects as multiple input "
                "tensors required as per tensorinfo_map",
            )
        bare = type(first) is not dict or (is_base64(first) and self._count == 1)
        request = Request(
            self._signature,
            by_row=True,
            rows=len(rows),
            raw=rows,
            read=self._bare_rows if bare else self._object_rows,
            mergeable=self._mergeable,
        )
        if not self._settled or bare:
            request.inputs  # noqa: B018 - what does not fit is reported now
        return request

    def by_column(self, columns: Any) -> Request:
        self._refuse_no_inputs()
        if type(columns) is dict and not is_base64(columns):
            values = columns
        elif self._count > 1:
            raise ServingError(
                400,
                "inputs is a plain value/list, but expecting an object as multiple input "
                "tensors required as per tensorinfo_map",
            )
        else:
            values = {next(iter(self._signature.inputs)): columns}
        for name in self._signature.inputs:
            if name not in values:
                raise ServingError(400, f"Missing named input: {name} in 'inputs' object.")
        inputs = self._packed_columns(values) or {
            name: self._column(values[name], port) for name, port in self._signature.inputs.items()
        }
        lengths = {len(each) if each.ndim else None for each in inputs.values()}
        rows = lengths.pop() if len(lengths) == 1 else None
        return Request(
            self._signature, by_row=False, rows=rows, inputs=inputs, mergeable=self._mergeable
        )

    def _object_rows(self, rows: Sequence[Any]) -> Columns:
        if set(map(type, rows)) != {dict} or set(map(len, rows)) != {self._count}:
            raise UnfitError
        layout = self._layout
        matrices = []
        for names, dtype, getter in zip(layout.groups, layout.dtypes, self._getters, strict=True):
            values: list[Any] = list(map(getter, rows))
            cells = list(chain.from_iterable(values)) if len(names) > 1 else values
            matrix = to_array(cells, dtype).reshape(len(rows), len(names))
            matrices.append(np.ascontiguousarray(matrix.T))
        others = {
            port.name: self._tensor(list(map(itemgetter(port.name), rows)), port)
            for port in layout.others
        }
        return Columns(layout, matrices, others)

    def _bare_rows(self, rows: Sequence[Any]) -> Columns:
        port = next(iter(self._signature.inputs.values()))
        array = self._tensor(list(rows), port)
        if self._layout.others:
            return Columns(self._layout, (), {port.name: array})
        return Columns(self._layout, (array.reshape(1, -1),), {})

    def _packed_columns(self, values: Mapping[str, Any]) -> Columns | None:
        """All columns of one type at once; None if they do not have one length."""
        layout = self._layout
        columns = [values[name] for name in layout.places]
        if not set(map(type, columns)) <= {list} or len(set(map(len, columns))) > 1:
            return None
        matrices = []
        try:
            for names, dtype in zip(layout.groups, layout.dtypes, strict=True):
                cells = list(chain.from_iterable(values[name] for name in names))
                matrices.append(to_array(cells, dtype).reshape(len(names), -1 if cells else 0))
        except UnfitError:
            return None
        others = {port.name: self._column(values[port.name], port) for port in layout.others}
        return Columns(layout, matrices, others)

    def _column(self, value: Any, port: Port) -> np.ndarray:
        try:
            if type(value) is list:
                return self._tensor(value, port)
            array = to_array([value], port.dtype).reshape(())
        except UnfitError:
            raise column_problem(value, port) from None
        if port.shape not in (None, ()):
            raise column_problem(value, port)
        return array

    def _tensor(self, values: list[Any], port: Port) -> np.ndarray:
        leaves, shape = flatten(values, self._depth)
        if not fits(port.shape, shape):
            raise UnfitError
        return to_array(leaves, port.dtype).reshape(shape)

    def _refuse_no_inputs(self) -> None:
        if not self._count:
            raise ServingError(
                400, f"Failed to get input map for signature: {self._signature.name}"
            )


_ABSENT = object()


def _first_wrong_row(rows: Sequence[Any], read: Callable[[Sequence[Any]], object]) -> int:
    """The place of the first row that does not go with the first one, by halving."""
    low, high = 0, len(rows)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            read([rows[0], *rows[low:middle]])
        except (UnfitError, KeyError):
            high = middle
        else:
            low = middle
    return low


def _count_keys(document: Mapping[str, Any]) -> int:
    rows, columns = document.get("instances"), document.get("inputs")
    count = len(document) + (len(columns) if type(columns) is dict else 0)
    if type(rows) is list and rows and type(rows[0]) is dict:
        count += len(rows) * len(rows[0])
    return count


def _too_many(rows: int, most: int) -> ServingError:
    return ServingError(400, f"{rows} rows in one request; at most {most} are taken")
