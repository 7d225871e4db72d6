"""Stresses on windows change steps as they say, the same way each time."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from components.stress.perturb import Inputs, perturb
from evidence.config import MissingSpec
from models.stresses.windows import WINDOW_STRESSES, WindowStress

WAVES = np.sin(np.arange(40) / 3 + np.arange(200)[:, None]).astype(np.float32)


def _applied(kind, values=WAVES, **keys):
    stress = TypeAdapter(WindowStress).validate_python({"kind": kind, **keys})
    changed = perturb(stress, Inputs({"w": values}, frozenset()), ["w"], np.random.default_rng(0))[
        "w"
    ]
    assert changed.dtype == np.float32
    assert changed.shape == values.shape
    return changed


@pytest.mark.parametrize("kind", WINDOW_STRESSES)
def test_a_share_of_the_windows_is_changed_as_all_would_be(kind):
    every, some = _applied(kind), _applied(kind, share=0.25)
    np.testing.assert_array_equal(every, _applied(kind))
    same = (np.isclose(some, WAVES) | (WAVES != WAVES)).all(axis=1)
    assert 0.1 < np.mean(~same) < 0.4
    np.testing.assert_array_equal(some[~same], every[~same])
    gone = np.full([2, 3], np.nan, np.float32)
    np.testing.assert_array_equal(_applied(kind, gone), gone)


@pytest.mark.parametrize("gap", [1, 4])
def test_a_rate_of_the_steps_is_missing_in_gaps(gap):
    missing = np.isnan(_applied("missing_steps", rate=0.2, gap=gap))
    assert missing.mean() == pytest.approx(0.2, abs=0.02)
    padded = np.pad(missing, ((0, 0), (1, 1))).astype(int)
    runs = (np.diff(padded) == 1).sum()
    assert missing.sum() / runs > gap * 0.9


def test_a_stuck_sensor_repeats_its_last_value():
    stuck = _applied("stuck", part=0.25)
    np.testing.assert_array_equal(stuck[:, :30], WAVES[:, :30])
    np.testing.assert_array_equal(stuck[:, 30:], np.repeat(WAVES[:, 29:30], 10, axis=1))
    assert (_applied("stuck", part=1.0) == WAVES[:, :1]).all()


def test_spikes_are_so_many_deviations_high():
    moved = _applied("spikes", rate=0.05, scale=5.0) - WAVES
    hit = np.abs(moved) > 1
    assert hit.mean() == pytest.approx(0.05, abs=0.01)
    np.testing.assert_allclose(np.abs(moved[hit]), 5 * WAVES.std(), rtol=1e-3)
    assert not moved[~hit].any()


def test_a_shifted_clock_moves_the_values():
    later, earlier = _applied("shifted_clock", steps=3), _applied("shifted_clock", steps=-3)
    np.testing.assert_array_equal(later[:, 3:], WAVES[:, :-3])
    np.testing.assert_array_equal(earlier[:, :-3], WAVES[:, 3:])
    assert np.isnan(later[:, :3]).all()
    assert np.isnan(earlier[:, -3:]).all()
    assert np.isnan(_applied("shifted_clock", steps=99)).all()


def test_whole_windows_go_missing_too():
    inputs = Inputs({"w": WAVES}, frozenset())
    changed = perturb(MissingSpec(share=0.5), inputs, ["w"], np.random.default_rng(0))["w"]
    assert set(np.isnan(changed).mean(axis=1)) == {0.0, 1.0}
