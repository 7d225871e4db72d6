"""What the DataGate finds in statistics and anomalies."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.data_gate.component import refuse
from components.data_gate.findings import find_all
from contracts.errors import GateError
from contracts.results.audit import AuditDetails, AuditReport, DataFinding
from models.features.spec import FeaturesSpec

SCHEMA = text_format.Parse(
    """
    feature { name: "carrier" type: BYTES string_domain { value: "AA" value: "UA" } }
    feature { name: "distance" type: FLOAT presence { min_fraction: 1.0 } }
    feature { name: "late" type: INT }
    """,
    schema_pb2.Schema(),
)
PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "late"},
        "features": {"carrier": {"type": "categorical"}, "distance": {"type": "numeric"}},
    }
)


def _statistics(**changes: int) -> statistics_pb2.DatasetFeatureStatistics:
    counts = {"rows": 10, "carrier": 10, "distance": 10, "late": 10, "min": 0, "max": 1} | changes
    return text_format.Parse(
        f"""
        num_examples: {counts["rows"]}
        features {{ path {{ step: "carrier" }} type: STRING
          string_stats {{ common_stats {{ num_non_missing: {counts["carrier"]} }} unique: 2 }} }}
        features {{ path {{ step: "distance" }} type: FLOAT
          num_stats {{ common_stats {{ num_non_missing: {counts["distance"]} }} min: 1 max: 9 }} }}
        features {{ path {{ step: "late" }} type: INT
          num_stats {{ common_stats {{ num_non_missing: {counts["late"]} }}
                       min: {counts["min"]} max: {counts["max"]} }} }}
        """,
        statistics_pb2.DatasetFeatureStatistics(),
    )


def _find(statistics: Any, anomalies: str = "") -> list[DataFinding]:
    parsed = text_format.Parse(anomalies, anomalies_pb2.Anomalies())
    return find_all({"train": statistics}, {"train": parsed}, SCHEMA, PROBLEM)


def test_sound_data_give_nothing() -> None:
    assert _find(_statistics()) == []


def test_an_entirely_missing_feature_blocks() -> None:
    (finding,) = _find(_statistics(distance=0))
    assert (finding.severity, finding.feature, finding.split) == ("block", "distance", "train")
    assert "entirely missing" in finding.what
    assert "10 rows" in finding.received


def test_a_feature_that_no_statistics_know_is_missing_too() -> None:
    dataset = _statistics()
    del dataset.features[0]
    (finding,) = _find(dataset)
    assert finding.feature == "carrier"


def test_a_label_with_one_class_blocks() -> None:
    (finding,) = _find(_statistics(min=1, max=1))
    assert "one class" in finding.what
    assert finding.expected == "the classes 0 and 1"
    assert "only 1" in finding.received


def test_a_missing_label_blocks_and_counts_rows() -> None:
    (finding,) = _find(_statistics(late=7))
    assert "3 rows" in finding.what
    assert finding.kind == "missing"


def test_anomalies_keep_their_severity_and_say_the_domain() -> None:
    anomalies = """
    anomaly_info { key: "carrier" value { severity: ERROR short_description: "Unexpected values"
      reason { type: ENUM_TYPE_UNEXPECTED_STRING_VALUES description: "ZZ (10%)" } } }
    anomaly_info { key: "distance" value { severity: WARNING short_description: "Odd" } }
    anomaly_info { key: "ignored" value { severity: ERROR short_description: "New column" } }
    """
    first, *others = _find(_statistics(), anomalies)
    assert (first.severity, first.feature, first.kind) == ("block", "carrier", "unknown")
    assert "AA, UA" in first.expected
    assert first.received == "ZZ (10%)"
    assert {(item.severity, item.feature) for item in others} == {
        ("warn", "distance"),
        ("warn", "ignored"),
    }


def test_a_text_column_cannot_be_numeric() -> None:
    problem = PROBLEM.model_copy(
        update={"features": {**PROBLEM.features, "carrier": PROBLEM.features["distance"]}}
    )
    (finding,) = find_all({"train": _statistics()}, {}, SCHEMA, problem)
    assert finding.feature == "carrier"
    assert finding.received == "BYTES"


def finding(severity: Any, feature: str, split: str, what: str, **more: str) -> DataFinding:
    return DataFinding(severity=severity, feature=feature, split=split, what=what, **more)


def test_refusal_is_short_and_counts_the_rest() -> None:
    findings = [
        finding("block", f"f{number}", "train", f"bad {number}.", example="row 3")
        for number in range(30)
    ]
    with pytest.raises(GateError) as caught:
        refuse([*findings, finding("warn", "w", "train", "odd")])
    lines = caught.value.lines()
    assert len(lines) <= 5
    assert "29 more" in lines[0]
    assert "feature f0, split train, row 3" in lines[1]
    assert "schema freeze" in lines[-1]
    refuse([finding("warn", "w", "train", "odd")])


def test_refusal_names_every_check_and_hands_over_the_audit() -> None:
    findings = [
        finding("block", "delay", "train", "delay leaks.", check="leakage", fix="drop it"),
        finding("block", "date", "train, val", "days overlap.", check="overlap"),
        finding("block", "", "train, test", "copies.", check="duplicates.across"),
    ]
    with pytest.raises(GateError) as caught:
        refuse(findings, AuditReport(checks=[], details=AuditDetails()))
    first, where, fix = caught.value.lines()
    assert "delay leaks." in first
    assert "2 more: overlap date (train, val), duplicates.across (train, test)." in first
    assert where.endswith("DataGate, feature delay, split train")
    assert fix.endswith("drop it")
    assert caught.value.audit == {"version": 1, "checks": [], "details": {}, "sampled": []}
    with pytest.raises(GateError) as caught:
        refuse(findings[2:])
    assert "feature" not in caught.value.where
    assert caught.value.audit is None
