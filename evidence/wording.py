"""Figures and slices as a reader wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def figure(value: float | None, sign: str = "") -> str:
    """A figure with four significant digits, or `unknown`."""
    if value is None:
        return "unknown"
    if value and abs(value) < 1e-4:
        return format(value, f"{sign}.1e")
    return format(value, f"{sign}.4f") if abs(value) < 1000 else format(value, f"{sign},.1f")


def with_interval(value: float, interval: Mapping[str, Any], sign: str = "") -> str:
    """A figure with its interval, where it has one."""
    low, high = interval.get("low"), interval.get("high")
    if low is None or high is None:
        return figure(value, sign)
    return f"{figure(value, sign)} [{figure(low, sign)}, {figure(high, sign)}]"


def name_of(slice_: Mapping[str, Any]) -> str:
    """A slice as text, such as `origin=JFK, carrier=AA`."""
    return ", ".join(f"{column}={value}" for column, value in slice_.items())
