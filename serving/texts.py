"""Texts among a request's inputs: those that are too long, or no texts, are refused."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from serving.errors import ServingError


def check_texts(inputs: Mapping[str, np.ndarray], limits: Mapping[str, int]) -> None:
    """Refuses a request before any work is done on its texts.

    Args:
      inputs: By name, what the model is given.
      limits: By input that takes texts, how many bytes these may have.

    Raises:
      ServingError: A text is too long, or is not UTF-8.
    """
    for name in [name for name in limits if name in inputs]:
        for row, content in enumerate(np.ravel(inputs[name]), 1):
            place = f"column {name!r}, row {row}"
            if len(content) > limits[name]:
                raise ServingError(
                    400,
                    f"The text is too long ({place}; expected at most {limits[name]:,} bytes; "
                    f"received {len(content):,})",
                )
            if isinstance(content, bytes) and (start := _first_fault(content)) is not None:
                raise ServingError(
                    400,
                    f"The text is not UTF-8 ({place}; the byte at {start:,} cannot stand there)",
                )


def _first_fault(content: bytes) -> int | None:
    """Where a text stops being UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None
