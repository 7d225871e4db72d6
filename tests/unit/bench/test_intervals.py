"""The benchmark of intervals compares as many slices as it says."""

from __future__ import annotations

import pytest
from sklearn.metrics import roc_auc_score

from bench.intervals import measure, predictions


@pytest.mark.parametrize("slices", [20, 41])
def test_the_columns_make_as_many_slices_as_asked(slices):
    columns = predictions(3000, slices)
    names = [name for name in columns if name.startswith("by_")]
    assert sum(len(set(columns[name].tolist())) for name in names) == slices


def test_ours_tells_every_slice_and_the_whole():
    columns = predictions(2000, 20)
    found = measure("ours", 2000, 20)
    assert len(found["values"]) == 21
    expected = roc_auc_score(columns["label"], columns["candidate"])
    assert found["values"][""] == pytest.approx(expected, abs=1e-3)
    inside = columns["by_0"] == 1
    expected = roc_auc_score(columns["label"][inside], columns["candidate"][inside])
    assert found["values"]["by_0=1"] == pytest.approx(expected, abs=1e-3)
    assert found["seconds"] > 0
    assert found["peak_mb"] > 0
