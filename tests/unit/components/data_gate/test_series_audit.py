"""What the gate says of series."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.series import check_series
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from components.example_gen.series.findings import Oddity, SeriesFindings, findings_from_json
from models.features.spec import FeaturesSpec, LabelSpec

_HALF_HOUR = 1_800_000_000
SPLIT = SplitSpec(by="time", columns=("t",))


def _problem(columns):
    features = {name: {"type": "window", "steps": 4} for name in columns}
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
    checks = {check.feature: check for check in check_series(_data(columns)).checks}
    assert checks["weather"].outcome == "pass"
    assert checks["planned"].outcome == "block"
    assert "'planned' alone tells of the future of 'y'" in checks["planned"].what
    off = AuditSpec.model_validate({"series": {"future": {"severity": "off"}}})
    assert not check_series(_data(columns, spec=off)).checks


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
