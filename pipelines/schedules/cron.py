"""Cron expressions of five fields: read strictly, written for each kind of scheduler.

What cron, systemd, Kubernetes, Argo and Kubeflow read differently is refused: a schedule means
the same wherever it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contracts.errors import ConfigError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MOST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ITEM = re.compile(
    r"(?P<all>\*)|(?P<first>[0-9]+|[a-z]+)(?:-(?P<last>[0-9]+|[a-z]+))?", re.IGNORECASE
)


@dataclass(frozen=True)
class _Limits:
    """One of the five fields: its name, its values, and the words for them."""

    name: str
    low: int
    high: int
    words: Mapping[str, int]

    @property
    def is_weekday(self) -> bool:
        """Whether Sunday is both 0 and 7."""
        return self.high == 7

    @property
    def last(self) -> int:
        """The last value that is not another name of the first."""
        return self.high - self.is_weekday


_FIELDS = (
    _Limits("minute", 0, 59, {}),
    _Limits("hour", 0, 23, {}),
    _Limits("day of month", 1, 31, {}),
    _Limits("month", 1, 12, {word: number for number, word in enumerate(_MONTHS, 1)}),
    _Limits("day of week", 0, 7, {word: number for number, word in enumerate(_DAYS)}),
)


@dataclass(frozen=True)
class Field:
    """The values of one field.

    Attributes:
      values: In ascending order; days of the week run from 0, Sunday, to 6.
      every: Whether the field is a star. This is more than all of its values: cron takes a day
        on which either of its two fields for days fits, unless one of them is a star.
    """

    values: tuple[int, ...]
    every: bool

    def __str__(self) -> str:
        """The field as every cron reads it: without names, steps and a second Sunday."""
        return "*" if self.every else ",".join(ranges(self.values, "-"))


@dataclass(frozen=True)
class Cron:
    """A schedule: at each minute whose five fields fit."""

    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field

    def __str__(self) -> str:
        """The five fields."""
        return " ".join(map(str, self._fields()))

    def with_seconds(self) -> str:
        """Six fields, as Kubeflow has them: the first one is the second."""
        return f"0 {self}"

    def _fields(self) -> tuple[Field, ...]:
        return (self.minute, self.hour, self.day, self.month, self.weekday)


def parse_cron(text: str) -> Cron:
    """Reads a cron expression.

    Raises:
      ConfigError: it is none, never comes, or schedulers read it differently.
    """
    words = _MACROS.get(text.strip().lower(), text).split()
    if len(words) != len(_FIELDS):
        raise _invalid(
            f"Invalid cron expression {text!r}.",
            "five fields: minute, hour, day of month, month, day of week; or such as @daily",
            f"{len(words)} of them",
        )
    fields = [_parse_field(word, limits) for word, limits in zip(words, _FIELDS, strict=True)]
    cron = Cron(*fields)
    _require_one_meaning(words, cron)
    _require_a_date(text, cron)
    return cron


def ranges(values: tuple[int, ...], between: str) -> Iterator[str]:
    """Gives ascending values as texts, three or more neighbours as a range."""
    start = 0
    for place in range(1, len(values) + 1):
        if place < len(values) and values[place] == values[place - 1] + 1:
            continue
        first, last = values[start], values[place - 1]
        if last - first < 2:
            yield from map(str, values[start:place])
        else:
            yield f"{first}{between}{last}"
        start = place


def _parse_field(word: str, limits: _Limits) -> Field:
    values: set[int] = set()
    every = False
    for item in word.split(","):
        body, slash, step = item.partition("/")
        match = _ITEM.fullmatch(body)
        if match is None or (slash and not (step.isascii() and step.isdigit() and int(step))):
            raise _wrong_field(word, limits)
        if match["all"]:
            first, last = limits.low, limits.last
            every = every or step in ("", "1")
        else:
            first = _number(match["first"], word, limits)
            last = _number(match["last"], word, limits) if match["last"] else first
        if last < first or (slash and not (match["all"] or match["last"])):
            raise _wrong_field(word, limits)
        values.update(range(first, last + 1, int(step or 1)))
    if limits.is_weekday:
        values = {value % 7 for value in values}
    return Field(tuple(sorted(values)), every)


def _number(text: str, word: str, limits: _Limits) -> int:
    number = int(text) if text.isdigit() else limits.words.get(text.lower(), -1)
    if not limits.low <= number <= limits.high:
        raise _wrong_field(word, limits)
    return number


def _require_one_meaning(words: list[str], cron: Cron) -> None:
    """Refuses `*/2` where it decides how the two fields for days go together."""
    for word, field, other in (
        (words[2], cron.day, cron.weekday),
        (words[4], cron.weekday, cron.day),
    ):
        if "*" in word and not field.every and not other.every:
            raise _invalid(
                f"Schedulers read {word!r} beside another field for days differently.",
                "a star, or days without a star, in one of the two fields for days",
                f"day of month {words[2]}, day of week {words[4]}",
            )


def _require_a_date(text: str, cron: Cron) -> None:
    most = max(_MOST_DAYS[month - 1] for month in cron.month.values)
    if cron.weekday.every and cron.day.values[0] > most:
        raise _invalid(
            f"The cron expression {text!r} never comes.",
            f"a day of the month up to {most}",
            str(cron.day),
        )


def _wrong_field(word: str, limits: _Limits) -> ConfigError:
    names = f" or names such as {next(iter(limits.words))}" if limits.words else ""
    return _invalid(
        f"Invalid {limits.name} {word!r} in a cron expression.",
        f"*, */step, or numbers from {limits.low} to {limits.high}{names}: a, a-b, a-b/step, a,b",
        repr(word),
    )


def _invalid(what: str, expected: str, received: str) -> ConfigError:
    return ConfigError(what, where="--cron", expected=expected, received=received)
