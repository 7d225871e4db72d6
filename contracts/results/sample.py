"""Which figures of a result are on a sample of the rows."""

from __future__ import annotations

from contracts.results.files import Result


class SampledRows(Result):
    """A figure that is on a sample.

    Attributes:
      what: The figure.
      rows: How many rows it is on.
      all_rows: How many rows there are.
    """

    what: str
    rows: int
    all_rows: int

    @property
    def line(self) -> str:
        """The same in words."""
        return f"{self.what}: on {self.rows:,} of {self.all_rows:,} rows"
