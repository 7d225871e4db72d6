"""Cron expressions: read strictly, and the same minutes for each scheduler."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts.errors import ConfigError
from pipelines.schedules.calendar_events import calendar_events
from pipelines.schedules.cron import parse_cron
from scripts.schedulers import find

systemd_wanted = pytest.mark.skipif(
    os.environ.get("KELP_NO_SCHEDULERS") == "1", reason="KELP_NO_SCHEDULERS is set"
)
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SHOWN = 3


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> tuple[str, frozenset[int]]:
    """A field's text, and the values that it means."""
    every = frozenset(range(low, high + 1))
    form = draw(st.sampled_from(["star", "step", "number", "range", "list"]))
    if form == "star":
        return "*", every
    if form == "step":
        step = draw(st.integers(1, high))
        return f"*/{step}", frozenset(range(low, high + 1, step))
    first = draw(st.integers(low, high))
    if form == "number":
        return str(first), frozenset([first])
    last = draw(st.integers(first, high))
    if form == "range":
        step = draw(st.integers(1, 5))
        return f"{first}-{last}/{step}", frozenset(range(first, last + 1, step))
    return f"{first},{last}", frozenset([first, last])


@st.composite
def expressions(draw: st.DrawFn) -> tuple[str, list[frozenset[int]]]:
    """An expression and the values of its fields."""
    limits = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
    drawn = [draw(fields(*limit)) for limit in limits]
    return " ".join(text for text, _ in drawn), [values for _, values in drawn]


def minutes(words: list[str], values: list[frozenset[int]]) -> Iterator[datetime]:
    """When cron begins, looked at day by day as its manual page says it."""
    minute, hour, day, month, weekday = values
    for number in range(366 * 8):
        date = START + timedelta(days=number)
        fits = (date.day in day, date.isoweekday() % 7 in weekday)
        both = words[2].startswith("*") or words[4].startswith("*")
        if date.month in month and (all(fits) if both else any(fits)):
            for at in sorted(hour):
                for past in sorted(minute):
                    yield date.replace(hour=at, minute=past)


def elapses(event: str) -> list[datetime]:
    """When systemd elapses first."""
    analyze = find("systemd-analyze")
    assert analyze, "python3 scripts/schedulers.py gets systemd-analyze"
    command = [analyze, "calendar", f"--iterations={SHOWN}", "--base-time=2025-12-31 23:59:30 UTC"]
    done = subprocess.run(
        [*command, event],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
    )
    lines = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    return [
        datetime.strptime(line, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc)
        for line in lines
        if line.endswith(" UTC") and "*" not in line
    ]


def read_differently(days: set[str]) -> bool:
    """Whether a step over all days stands beside another field for days."""
    stars = {"*", "*/1"}
    return not days & stars and any(day.startswith("*/") for day in days)


@systemd_wanted
@settings(max_examples=40, deadline=None)
@given(expressions())
def test_systemd_elapses_when_cron_begins(drawn: tuple[str, list[frozenset[int]]]) -> None:
    text, values = drawn
    words = text.split()
    first = next(minutes(words, values), None)
    if first is None or read_differently({words[2], words[4]}):
        with pytest.raises(ConfigError, match=r"never comes|differently"):
            parse_cron(text)
        return
    cron = parse_cron(text)
    expected = list(islice(minutes(words, values), SHOWN))
    events = calendar_events(cron, "UTC")
    merged = sorted({time for event in events for time in elapses(event)})[:SHOWN]
    # systemd looks less far ahead than eight years.
    assert merged == expected[: len(merged)]
    assert merged or expected[0].year > 2026


@settings(max_examples=200)
@given(expressions())
def test_what_is_written_is_read_as_the_same(drawn: tuple[str, list[frozenset[int]]]) -> None:
    text, values = drawn
    try:
        cron = parse_cron(text)
    except ConfigError:
        assume(False)
    assert [set(field.values) for field in cron._fields()] == values
    assert parse_cron(str(cron)) == cron
    assert "/" not in str(cron)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("@daily", "0 0 * * *"),
        ("*/15 8-18 * * mon-fri", "0,15,30,45 8-18 * * 1-5"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 0 1-31 * 1", "0 0 1-31 * 1"),
        ("0 0 */1 Feb 1", "0 0 * 2 1"),
    ],
)
def test_names_steps_and_the_second_sunday_are_written_as_all_schedulers_read_them(
    text: str, written: str
) -> None:
    assert str(parse_cron(text)) == written
    assert parse_cron(text).with_seconds() == f"0 {written}"


def test_either_of_two_kinds_of_days_is_two_events() -> None:
    assert calendar_events(parse_cron("0 3 1 * mon"), None) == [
        "*-*-1 3:0:00",
        "Mon *-*-* 3:0:00",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 of them"),
        ("0 3 * *", "4 of them"),
        ("0 0 3 * * *", "6 of them"),
        ("@reboot", "1 of them"),
        ("60 * * * *", "numbers from 0 to 59"),
        ("* * 0 * *", "numbers from 1 to 31"),
        ("* * * * 8", "Invalid day of week '8'"),
        ("* * * * fri-mon", "Invalid day of week"),
        ("5/10 * * * *", "Invalid minute '5/10'"),
        ("*/0 * * * *", "Invalid minute '*/0'"),
        ("1,,2 * * * *", "Invalid minute"),
        ("* * * jann *", "Invalid month 'jann'"),
        ("* ? * * *", "Invalid hour"),
        ("0 0 31 2,4 *", "never comes"),
        ("0 0 */2 * 1", "differently"),
        ("0 0 1 * */2", "differently"),
    ],
)
def test_what_is_wrong_is_named(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_cron(text)
    assert reason in "\n".join(raised.value.lines())
    assert len(raised.value.lines()) <= 10
