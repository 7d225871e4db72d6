"""Delays so far hold nothing that happens after the flight was to leave."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from examples.flights.delays import DELAYS, with_delays


def _flights(rows: list[tuple[int, int, float | None]]) -> pd.DataFrame:
    """One flight an entry: hour, minute, departure delay (None: cancelled)."""
    return pd.DataFrame(
        {
            "time_hour": [f"2013-01-01T{hour:02d}:00:00Z" for hour, _, _ in rows],
            "minute": [minute for _, minute, _ in rows],
            "dep_delay": [np.nan if delay is None else delay for _, _, delay in rows],
            "origin": "JFK",
            "carrier": "B6",
            "dest": "BOS",
            "tailnum": "N1",
        }
    )


def test_a_delay_is_known_only_as_far_as_it_has_come() -> None:
    result = with_delays(_flights([(10, 0, 500.0), (11, 30, 0.0)]))
    assert np.isnan(result["origin_delay"][0])
    assert result["origin_delay"][1] == 60  # at 11:00 the flight of 10:00 waits for an hour


def test_cancelled_flights_wait_and_early_ones_count() -> None:
    result = with_delays(_flights([(10, 0, None), (10, 30, -5.0), (11, 0, 3.0)]))
    assert result["origin_delay"][2] == pytest.approx((60 - 5) / 2)


def test_flights_of_the_same_hour_or_later_do_not_enter() -> None:
    base = _flights([(10, 0, 20.0), (11, 0, 0.0), (11, 5, 0.0), (12, 0, 0.0)])
    other = base.assign(dep_delay=[20.0, 0.0, 300.0, 300.0])
    columns = list(DELAYS)
    pd.testing.assert_frame_equal(with_delays(base)[columns][:3], with_delays(other)[columns][:3])


def test_rows_keep_their_number_and_order() -> None:
    base = _flights([(12, 0, 1.0), (10, 0, 2.0), (11, 0, 3.0)])
    result = with_delays(base)
    assert result["dep_delay"].tolist() == [1.0, 2.0, 3.0]
