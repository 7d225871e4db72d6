"""What is wrong with the data, from TFDV's statistics and anomalies: plain functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from contracts.results.audit import DataFinding
from contracts.text import count
from models.features.kind import FeatureKind, RawValues
from models.features.spec import FeaturesSpec
from models.tasks import find_task

Statistics = Mapping[str, statistics_pb2.DatasetFeatureStatistics]
Anomalies = Mapping[str, anomalies_pb2.Anomalies]


def find_all(
    statistics: Statistics,
    anomalies: Anomalies,
    schema: schema_pb2.Schema,
    problem: FeaturesSpec,
) -> list[DataFinding]:
    """Gives every finding, blocking ones first, one a feature and split.

    Args:
      statistics: By split, one dataset each.
      anomalies: By split, as ExampleValidator wrote them.
      schema: The schema that the data were checked against.
      problem: The task, the label and the features.
    """
    found: dict[tuple[str, str], DataFinding] = {}
    for finding in (
        *_feature_findings(statistics, schema, problem),
        *_label_findings(statistics, problem),
        *_anomaly_findings(anomalies, schema, problem),
    ):
        found.setdefault((finding.feature, finding.split), finding)
    return sorted(found.values(), key=lambda finding: finding.severity != "block")


def _feature_findings(
    statistics: Statistics, schema: schema_pb2.Schema, problem: FeaturesSpec
) -> Iterator[DataFinding]:
    types = {feature.name: feature.type for feature in schema.feature}
    by_split = {split: _by_name(dataset) for split, dataset in statistics.items()}
    for name, spec in problem.raw_columns().items():
        for split, dataset in statistics.items():
            if _present(by_split[split], name) == 0:
                yield DataFinding(
                    severity="block",
                    feature=name,
                    split=split,
                    what=f"Feature {name!r} is entirely missing in split {split}.",
                    expected="values in at least some rows",
                    received=f"none in {dataset.num_examples:,} rows",
                )
                break
        else:
            yield from _type_findings(name, spec, types.get(name))


_ALLOWED: Mapping[RawValues, tuple[schema_pb2.FeatureType, ...]] = {
    "numbers": (schema_pb2.INT, schema_pb2.FLOAT),
    "categories": (schema_pb2.INT, schema_pb2.BYTES),
    "files": (schema_pb2.BYTES,),
    "text": (schema_pb2.BYTES,),
    "any": (schema_pb2.INT, schema_pb2.FLOAT, schema_pb2.BYTES),
}


def _type_findings(
    name: str, spec: FeatureKind, received: schema_pb2.FeatureType | None
) -> Iterator[DataFinding]:
    allowed = _ALLOWED[spec.raw_values]
    if received is not None and received not in allowed:
        yield DataFinding(
            severity="block",
            feature=name,
            split="all",
            what=f"Feature {name!r} is {spec.type} and cannot hold what the schema says.",
            expected=" or ".join(schema_pb2.FeatureType.Name(kind) for kind in allowed),
            received=schema_pb2.FeatureType.Name(received),
        )


def _label_findings(statistics: Statistics, problem: FeaturesSpec) -> Iterator[DataFinding]:
    name = problem.label.name
    for split, dataset in statistics.items():
        present = _present(_by_name(dataset), name)
        if present < dataset.num_examples:
            yield DataFinding(
                severity="block",
                feature=name,
                split=split,
                what=f"The label {name!r} is missing in "
                f"{count(dataset.num_examples - present, 'row')}.",
                expected="a label in every row",
                received=f"{present:,} labels in {dataset.num_examples:,} rows of split {split}",
                kind="missing",
            )
        elif find_task(problem.task).has_classes:
            yield from _class_findings(split, dataset, problem)


def _class_findings(
    split: str, dataset: statistics_pb2.DatasetFeatureStatistics, problem: FeaturesSpec
) -> Iterator[DataFinding]:
    name = problem.label.name
    expected = " and ".join(repr(value) for value in problem.label_classes())
    only = _single_value(_by_name(dataset).get(name))
    if only is not None:
        yield DataFinding(
            severity="block",
            feature=name,
            split=split,
            what=f"The label {name!r} has one class in split {split}: there is nothing to learn.",
            expected=f"the classes {expected}",
            received=f"only {only} in {dataset.num_examples:,} rows",
        )


def _single_value(feature: statistics_pb2.FeatureNameStatistics | None) -> str | None:
    if feature is None:
        return None
    if feature.HasField("string_stats"):
        if feature.string_stats.unique == 1:
            return repr(feature.string_stats.top_values[0].value)
        return None
    numbers = feature.num_stats
    return f"{numbers.min:g}" if numbers.min == numbers.max else None


def _anomaly_findings(
    anomalies: Anomalies, schema: schema_pb2.Schema, problem: FeaturesSpec
) -> Iterator[DataFinding]:
    used = {*problem.raw_columns(), problem.label.name}
    for split, result in anomalies.items():
        for name, info in sorted(result.anomaly_info.items()):
            severe = info.severity == anomalies_pb2.AnomalyInfo.ERROR
            reason = info.reason[0] if info.reason else None
            kinds = {item.type for item in info.reason}
            yield DataFinding(
                severity="block" if severe and name in used else "warn",
                feature=name,
                split=split,
                what=f"{info.short_description or 'Anomaly'} ({name!r}, split {split}).",
                expected=_expected(schema, name),
                received=(reason.description if reason else "") or info.description,
                kind=_kind(kinds),
            )


def _kind(types: set[int]) -> Literal["missing", "unknown", "other"]:
    info = anomalies_pb2.AnomalyInfo
    if types & {info.ENUM_TYPE_UNEXPECTED_STRING_VALUES}:
        return "unknown"
    if types & {
        info.FEATURE_TYPE_LOW_FRACTION_PRESENT,
        info.FEATURE_TYPE_LOW_NUMBER_PRESENT,
        info.SCHEMA_MISSING_COLUMN,
    }:
        return "missing"
    return "other"


def _expected(schema: schema_pb2.Schema, name: str) -> str:
    feature = next((item for item in schema.feature if item.name == name), None)
    if feature is None:
        return "a column that the schema knows"
    text = f"{schema_pb2.FeatureType.Name(feature.type)}"
    domain = domain_of(schema, name)
    if domain:
        shown = ", ".join(domain[:8])
        text += f" out of {len(domain)} known values: {shown}" + (", ..." * (len(domain) > 8))
    if feature.presence.min_fraction:
        text += f", present in at least {feature.presence.min_fraction:.0%} of rows"
    return text


def domain_of(schema: schema_pb2.Schema, name: str) -> list[str]:
    """The values of a closed text domain, empty where there is none."""
    feature = next((item for item in schema.feature if item.name == name), None)
    if feature is None:
        return []
    if feature.HasField("string_domain"):
        return list(feature.string_domain.value)
    shared = next((item for item in schema.string_domain if item.name == feature.domain), None)
    return list(shared.value) if shared is not None else []


def _present(features: Mapping[str, statistics_pb2.FeatureNameStatistics], name: str) -> int:
    feature = features.get(name)
    if feature is None:
        return 0
    kind = feature.WhichOneof("stats")
    return int(getattr(feature, kind).common_stats.num_non_missing) if kind else 0


def _by_name(
    dataset: statistics_pb2.DatasetFeatureStatistics,
) -> dict[str, statistics_pb2.FeatureNameStatistics]:
    return {feature.path.step[0] or feature.name: feature for feature in dataset.features}
