"""Cron expressions as systemd's calendar events."""

from __future__ import annotations

from pipelines.schedules.cron import Cron, Field, ranges

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


def calendar_events(cron: Cron, timezone: str | None) -> list[str]:
    """Gives the values of OnCalendar= that together elapse when a cron expression does.

    Where both the day of the month and the day of the week are given, cron takes a day that
    fits either, and systemd one that fits both: the days then are two events.

    Args:
      cron: The expression.
      timezone: Such as Europe/Paris; None is the machine's own.
    """
    zone = f" {timezone}" if timezone else ""
    time = f"{_numbers(cron.hour)}:{_numbers(cron.minute)}:00{zone}"
    day, weekday = _numbers(cron.day), _weekdays(cron.weekday)
    month = _numbers(cron.month)
    if cron.day.every or cron.weekday.every:
        return [f"{weekday}*-{month}-{day} {time}"]
    return [f"*-{month}-{day} {time}", f"{weekday}*-{month}-* {time}"]


def _numbers(field: Field) -> str:
    return "*" if field.every else ",".join(ranges(field.values, ".."))


def _weekdays(field: Field) -> str:
    return "" if field.every else ",".join(_DAYS[value] for value in field.values) + " "
