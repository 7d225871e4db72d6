"""Answers requests by one call of a model, and so that none of them harms another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serving.codec.answers import Answers, encode_columns, encode_rows
from serving.codec.requests import Request, join_inputs
from serving.codec.values import UnfitError
from serving.errors import ServingError
from serving.servable import Servable


@dataclass(frozen=True)
class Answer:
    """What one request gets of a call.

    Attributes:
      answers: The outputs of the call.
      rows: First and last row (not included) that are the request's; None if all are.
    """

    answers: Answers
    rows: tuple[int, int] | None = None

    @property
    def outputs(self) -> Mapping[str, np.ndarray]:
        """The request's outputs by name."""
        return self.answers.outputs if self.rows is None else self.answers.part(*self.rows)

    def encode(self, request: Request) -> bytes:
        """The body of a `:predict` request's answer.

        Raises:
          ServingError: if the outputs cannot be written as the request asks.
        """
        if not request.by_row:
            return encode_columns(self.outputs)
        return encode_rows(self.outputs) if self.rows is None else self.answers.encode(*self.rows)


def execute(servable: Servable, requests: Sequence[Request]) -> list[Answer | Exception]:
    """Answers requests that go with one another; each gets its answer, or its own error."""
    try:
        inputs = join_inputs(requests)
        outputs = servable.run(requests[0].signature.name, inputs)
        return _shared(requests, inputs, outputs)
    except UnfitError:
        return _one_by_one(servable, requests)
    except Exception as error:  # noqa: BLE001 - given to the request, which must not be left waiting
        if len(requests) == 1:
            return [error]
        return [one for each in requests for one in execute(servable, [each])]


def _shared(
    requests: Sequence[Request],
    inputs: Mapping[str, np.ndarray],
    outputs: Mapping[str, np.ndarray],
) -> list[Answer | Exception]:
    answers = Answers(outputs)
    if len(requests) == 1:
        return [Answer(answers)]
    sizes = [each.rows or 0 for each in requests]
    if any(not each.ndim or len(each) != sum(sizes) for each in outputs.values()):
        raise ServingError(500, "The model did not give one row of output for each of input")
    ends = np.cumsum(sizes).tolist()
    for request, size, end in zip(requests, sizes, ends, strict=True):
        request.take_part(inputs, end - size, end)
    return [Answer(answers, (end - size, end)) for size, end in zip(sizes, ends, strict=True)]


def _one_by_one(servable: Servable, requests: Sequence[Request]) -> list[Answer | Exception]:
    """Sets aside the requests whose rows do not fit, and answers the others together."""
    found: dict[int, Answer | Exception] = {}
    fitting = []
    for place, request in enumerate(requests):
        try:
            _ = request.inputs
        except ServingError as error:
            found[place] = error
        else:
            fitting.append(place)
    if len(fitting) == len(requests):
        found.update(enumerate(one for each in requests for one in execute(servable, [each])))
    elif fitting:
        others = execute(servable, [requests[place] for place in fitting])
        found.update(zip(fitting, others, strict=True))
    return [found[place] for place in range(len(requests))]
