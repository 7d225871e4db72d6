"""Figures and slices as a reader wants them."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.results.evidence import Cell, Interval
from contracts.results.gates import Gate


def figure(value: float | None, sign: str = "") -> str:
    """A figure with four significant digits, or `unknown`."""
    if value is None:
        return "unknown"
    if value and abs(value) < 1e-4:
        return format(value, f"{sign}.1e")
    return format(value, f"{sign}.4f") if abs(value) < 1000 else format(value, f"{sign},.1f")


def with_interval(value: float | None, interval: Interval | Gate, sign: str = "") -> str:
    """A figure with its interval, where it has one."""
    return figure(value, sign) + interval_text(interval, sign)


def interval_text(interval: Interval | Gate, sign: str = "") -> str:
    """The ends of an interval in brackets; empty where there is none."""
    if interval.low is None or interval.high is None:
        return ""
    return f" [{figure(interval.low, sign)}, {figure(interval.high, sign)}]"


def name_of(slice_: Mapping[str, Cell]) -> str:
    """A slice as text, such as `origin=JFK, carrier=AA`."""
    return ", ".join(f"{column}={value}" for column, value in slice_.items())
