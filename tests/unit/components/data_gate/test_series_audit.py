"""What the gate says of series."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from components.data_gate.audit import columns
from components.data_gate.audit.cheap_model import columns_of
from components.data_gate.audit.columns import numbers_of
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.series import check_series
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from components.example_gen.series.findings import Oddity, SeriesFindings, findings_from_json
from models.features.spec import FeaturesSpec, LabelSpec

WINDOW = {"type": "window", "steps": 4}
_HALF_HOUR = 1_800_000_000
SPLIT = SplitSpec(by="time", columns=("t",))


def _problem(columns):
    features = dict.fromkeys(columns, WINDOW)
    plain = FeaturesSpec.model_validate(
        {"task": "regression", "label": {"name": "y"}, "features": features}
    )
    return plain.model_copy(update={"label": LabelSpec(name="y", steps=4)})


def _lists(matrix):
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.astype(np.float32).ravel()), 4)


def _data(columns, series=None, spec=None):
    tables = {"train": pa.table({name: _lists(matrix) for name, matrix in columns.items()})}
    names = [name for name in columns if name != "y"]
    return AuditData(tables, _problem(names), spec or AuditSpec(), SPLIT, series=series)


def test_a_known_column_that_tells_the_labels_future_is_blocked_by_name():
    generator = np.random.default_rng(0)
    load, weather = generator.normal(size=(2, 300, 4))
    planted = load + 0.01 * generator.normal(size=load.shape)
    columns = {"weather_future": weather, "planned_future": planted, "y": load}
    checks = {check.feature: check for check in _futures(_data(columns))}
    assert checks["weather"].outcome == "pass"
    assert checks["planned"].outcome == "block"
    assert "'planned' alone tells of the label 'y'" in checks["planned"].what
    assert checks["planned"].fix.startswith("take planned out of data.series.known")
    spec = {"series": {"future": {"severity": "off"}, "unknown": {"severity": "off"}}}
    assert not check_series(_data(columns, spec=AuditSpec.model_validate(spec))).checks


def test_a_column_ahead_of_what_is_predicted_and_one_that_tells_a_class_are_found():
    generator = np.random.default_rng(0)
    load = generator.normal(size=[300, 6])
    ahead, other = load[:, 1:5], generator.normal(size=[300, 4])
    columns = {"ahead_future": ahead, "other_future": other, "y": load[:, :4]}
    found = {check.feature: check.outcome for check in _futures(_data(columns))}
    assert found == {"ahead": "block", "other": "pass"}
    classes = np.where(load[:, 1] > 0, "high", "low")
    table = pa.table({**{name: _lists(columns[name]) for name in columns if name != "y"}})
    table = table.append_column("y", pa.array(classes.tolist()))
    problem = FeaturesSpec.model_validate(
        {
            "task": "binary",
            "label": {"name": "y", "classes": ["low", "high"]},
            "features": dict.fromkeys(("ahead_future", "other_future"), WINDOW),
        }
    )
    data = AuditData({"train": table}, problem, AuditSpec(), SPLIT)
    assert {check.feature: check.outcome for check in _futures(data)} == found


def _futures(data):
    return [check for check in check_series(data).checks if check.check == "series.future"]


def test_steps_without_a_value_are_counted_in_each_split():
    past = np.ones([10, 4])
    past[:, 0] = np.nan
    data = _data({"y_past": past, "y": np.zeros([10, 4])})
    (check,) = check_series(data).checks
    assert (check.check, check.feature, check.figure) == ("series.unknown", "y_past", 0.25)
    assert check.outcome == "warn"


def test_label_errors_see_parts_of_a_window():
    window = np.arange(16.0).reshape(4, 4)
    window[0, 3] = np.nan
    table = pa.table({"w": _lists(window), "a": pa.array([1.0, 2.0, 3.0, 4.0])})
    problem = FeaturesSpec.model_validate(
        {
            "task": "regression",
            "label": {"name": "y"},
            "features": {"w": WINDOW, "a": {"type": "numeric"}},
        }
    )
    columns = columns_of(table, ["w", "a"], problem)
    np.testing.assert_array_equal(columns.values[1], [4, 5, 6, 7, 6, 7, 2])
    assert columns.categorical == (False,) * 7


def test_odd_steps_are_named_with_time_and_id():
    series = SeriesFindings(rows=99, step=_HALF_HOUR, gaps=1, longest_gap=1)
    series.missing.add(1, [(_HALF_HOUR, "meter 7")])
    series.spikes["load"] = Oddity(2, [(0, "meter 7"), (_HALF_HOUR, "meter 8")])
    series = findings_from_json(series.to_json())
    part = check_series(_data({"y_past": np.zeros([3, 4]), "y": np.zeros([3, 4])}, series))
    checks = {(check.check, check.feature): check for check in part.checks}
    missing = checks["series.missing", ""]
    assert missing.outcome == "warn"
    assert missing.figure == 0.01
    assert missing.what == (
        "1 steps have no row, in 1 gaps of up to 1, first at 1970-01-01 00:30:00 of meter 7."
    )
    assert checks["series.duplicates", ""].outcome == "pass"
    spikes = checks["series.spikes", "load"]
    assert "1970-01-01 00:30:00 of meter 8" in spikes.received


def test_many_windows_are_read_in_parts(monkeypatch):
    window = np.arange(24.0).reshape(6, 4)
    window[5, 1:] = np.nan
    whole = numbers_of(pa.chunked_array([_lists(window)]))
    monkeypatch.setattr(columns, "_LISTS_AT_ONCE", 4)
    np.testing.assert_array_equal(numbers_of(pa.chunked_array([_lists(window)])), whole)
    np.testing.assert_array_equal(whole, [1.5, 5.5, 9.5, 13.5, 17.5, 20])
