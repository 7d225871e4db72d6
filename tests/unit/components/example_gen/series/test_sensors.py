"""Sensors that are stuck or spike."""

from __future__ import annotations

import numpy as np

from components.example_gen.series.sensors import spike_rows, stuck_rows

WAVE = np.sin(np.arange(200) / 5).astype(np.float32)


def test_a_run_as_long_as_a_context_is_stuck_and_a_shorter_one_is_not():
    values = WAVE.copy()
    values[50:60] = values[50]
    assert stuck_rows(values, 10).tolist() == [50]
    assert not len(stuck_rows(values, 11))
    values[50:60] = np.nan
    assert not len(stuck_rows(values, 10))


def test_a_value_far_from_both_neighbours_is_a_spike_and_a_step_is_none():
    values = WAVE.copy()
    values[30] += 5
    values[100:] += 5
    assert spike_rows(values).tolist() == [30]


def test_a_column_of_few_values_is_no_sensor():
    flags = (np.arange(200) // 48 % 2).astype(np.float32)
    assert not len(stuck_rows(flags, 48))
    assert not len(spike_rows(flags))
