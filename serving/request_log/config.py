"""The config of the request log: the section `request_log` of serving's config."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from contracts.spec import Spec


class RequestLogSpec(Spec):
    """What of the requests is kept, and where.

    Attributes:
      folder: Where the files go, a folder for each model; None keeps nothing.
      sample: The share of the requests that is kept.
      leave_out: Inputs and outputs that are never written, such as names of people.
      queue: Most requests that wait to be written; one more is dropped, and counted.
      max_mb: A file of this size is closed and a new one begun.
      max_age_s: So is one of this age.
      seed: Of the draw that decides which requests are kept.
    """

    folder: Path | None = None
    sample: float = Field(default=0.01, ge=0, le=1)
    leave_out: tuple[str, ...] = ()
    queue: int = Field(default=1024, ge=1)
    max_mb: float = Field(default=64, gt=0)
    max_age_s: float = Field(default=3600, gt=0)
    seed: int = 0
