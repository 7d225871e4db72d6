"""Kelp's exception tree: every error says what, where, and what to do next."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_WIDTH = 400
# Of an address such as postgresql://user:password@host; errors are printed and recorded.
_PASSWORD = re.compile(r"(://[^/@\s:]*:)[^@\s]*@")
_FIELDS = ("what", "where", "expected", "received", "fix")


class KelpError(Exception):
    """An error written for the person who has to act on it.

    Args:
      what: One sentence: what is wrong.
      where: File and key, component, feature, split or row.
      expected: What would have been right.
      received: What was found instead.
      fix: What to do next; a command where one helps.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        received: str = "",
        fix: str = "",
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.fix = what, where, fix
        self.expected, self.received = expected, received

    def lines(self) -> list[str]:
        """At most five lines, the first of them the sentence itself."""
        head = [f"error: {_one_line(self.what)}"]
        return head + [
            f"  {name + ':':<10}{_one_line(getattr(self, name))}"
            for name in _FIELDS[1:]
            if getattr(self, name)
        ]

    def to_json(self) -> str:
        """Gives the error in a form that survives a process boundary."""
        fields = {name: getattr(self, name) for name in _FIELDS}
        return json.dumps({"type": type(self).__name__, **fields})

    def __str__(self) -> str:
        """All of it in one line, as a log has it."""
        return " ".join("; ".join(self.lines()).split()).removeprefix("error: ")

    def __reduce__(self) -> tuple[Any, ...]:
        return (error_from_json, (self.to_json(),))


class ConfigError(KelpError):
    """The config file, an override or an argument is not valid."""


class DataError(KelpError):
    """The raw data cannot be read as the config says."""


class GateError(KelpError):
    """The data were read, and a gate found them unfit.

    Attributes:
      audit: All that the gate saw, for a report of the run that it stopped. It is not
        carried over a process boundary.
    """

    audit: Mapping[str, Any] | None = None


class ModelError(KelpError):
    """Training, export or verification of a model went wrong."""


class EnvironmentProblem(KelpError):
    """The machine lacks something: a disk, a permission, a package."""


def error_from_json(text: str) -> KelpError:
    """Builds again the error that `KelpError.to_json` wrote."""
    fields: dict[str, str] = json.loads(text)
    kinds = {kind.__name__: kind for kind in _tree(KelpError)}
    return kinds.get(fields.pop("type"), KelpError)(**fields)


def _tree(root: type[KelpError]) -> list[type[KelpError]]:
    return [root] + [leaf for child in root.__subclasses__() for leaf in _tree(child)]


def _one_line(text: str) -> str:
    flat = _PASSWORD.sub(r"\1***@", " ".join(str(text).split()))
    return flat if len(flat) <= _WIDTH else flat[: _WIDTH - 3] + "..."
