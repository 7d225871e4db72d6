"""Steps of series that are odd, sensors that fail, and futures that cannot be known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from components.data_gate.audit.columns import Floats, labels_of, list_parts, lists_of
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.whole import TRAIN
from components.example_gen.series.findings import Oddity, SeriesFindings, time_text
from components.example_gen.series.spec import FUTURE
from contracts.results.checked import Checked, Part, judged
from models.content.config import ShareSpec

_BINS = 50
_VALUES_OF_BIN = 20
_ROWS = 4096
_NEAR = 4  # steps by which a column may be ahead of what it tells of
_FIXES = {
    "unordered": "sort the rows by time; windows are cut in order of time in any case",
    "duplicates": "keep one row for each time and series; the others were left out",
    "between": "correct the times, or set data.series.step; the rows were left out",
    "missing": "bring the rows; a window's missing steps are filled as its feature says",
}
_WORDS = {
    "unordered": "rows come after a later one of their series",
    "duplicates": "rows have the time of another row of their series",
    "between": "rows are at no step of the series",
    "missing": "steps have no row",
}


def check_series(data: AuditData) -> Part:
    """Checks what ExampleGen found in the long table, and the known columns of windows."""
    part = Part()
    if data.series is not None:
        part.checks.extend(_steps(data, data.series))
        part.checks.extend(_sensors(data, data.series))
    if data.spec.series.unknown.severity != "off":
        part.checks.extend(_unknown_steps(data))
    if data.spec.series.future.severity != "off":
        part.checks.extend(_futures(data))
    return part


def _steps(data: AuditData, findings: SeriesFindings) -> Iterator[Checked]:
    steps = max(1, findings.rows + findings.missing.count)
    for name, words in _WORDS.items():
        bound: ShareSpec = getattr(data.spec.series, name)
        oddity: Oddity = getattr(findings, name)
        extra = ""
        if name == "missing" and findings.gaps:
            extra = f", in {findings.gaps:,} gaps of up to {findings.longest_gap:,}"
        yield _share(data, f"series.{name}", "", bound, oddity, steps, words + extra)


def _sensors(data: AuditData, findings: SeriesFindings) -> Iterator[Checked]:
    words = {"stuck": "times does not change for a whole context", "spikes": "single values jump"}
    for name, what in words.items():
        bound: ShareSpec = getattr(data.spec.series, name)
        for column, oddity in sorted(getattr(findings, name).items()):
            text = f"{what} in {column!r}"
            yield _share(data, f"series.{name}", column, bound, oddity, max(1, findings.rows), text)


def _share(
    data: AuditData,
    check: str,
    column: str,
    bound: ShareSpec,
    oddity: Oddity,
    steps: int,
    words: str,
) -> Checked:
    assert data.series is not None
    share = oddity.count / steps
    place = data.series.place(oddity)
    failed = share > bound.max_share or bound.severity == "off"
    return Checked(
        check=check,
        feature=column,
        split="all",
        **judged(bound.severity, share, bound.max_share, failed=failed),
        what=f"{oddity.count:,} {words}" + (f", first at {place}" if place else "") + ".",
        expected=f"at most {bound.max_share:.2%} of {steps:,} steps",
        received=f"{share:.2%}: {_examples(data.series, oddity)}" if oddity.examples else "",
        fix=_FIXES.get(
            check.removeprefix("series."), "repair the sensor's values, or leave them out"
        ),
    )


def _examples(findings: SeriesFindings, oddity: Oddity) -> str:
    return ", ".join(
        time_text(time, findings.moments) + (f" of {series}" if series else "")
        for time, series in oddity.examples
    )


def _futures(data: AuditData) -> Iterator[Checked]:
    """Compares each known future with what is predicted: one that tells it cannot be known."""
    table, label = data.tables.get(TRAIN), data.problem.label
    if table is None or not table.num_rows:
        return
    rows = pa.array(np.unique(np.linspace(0, table.num_rows - 1, _ROWS).astype(np.int64)))
    table = table.take(rows)
    bound = data.spec.series.future
    for name in data.windows():
        if not name.endswith(FUTURE):
            continue
        power = _strongest(lists_of(table[name]), _truths(table, data))
        source = name.removesuffix(FUTURE)
        yield Checked(
            check="series.future",
            feature=source,
            split=TRAIN,
            **judged(bound.severity, power, bound.max_power),
            what=f"The future of {source!r} alone tells of the label {label.name!r}: share of "
            f"variance {power:.3f}.",
            expected=f"at most {bound.max_power:g}",
            received=f"{power:.3f} over {len(rows):,} windows of train",
            fix=f"take {source} out of data.series.known, unless it is known in advance",
        )


def _truths(table: pa.Table, data: AuditData) -> list[Floats]:
    """What is predicted, `[rows, steps]`: a number, or for each class whether it is the row's."""
    column = table[data.problem.label.name]
    if pa.types.is_fixed_size_list(column.type):
        return [lists_of(column)]
    labels = labels_of(table, data.problem)
    classes = data.problem.label_classes()
    if not classes:
        return [labels[:, None]]
    return [(labels == place).astype(np.float64)[:, None] for place in range(len(classes))]


def _strongest(values: Floats, truths: Sequence[Floats]) -> float:
    """The most that the values tell of what is predicted at the same step or at a near one."""
    powers = [0.0]
    for truth in truths:
        steps = min(values.shape[1], truth.shape[1])
        near = min(_NEAR, max(values.shape[1], truth.shape[1]) - 1)
        for shift in range(-near, near + 1):
            first, last = max(0, -shift), min(truth.shape[1], values.shape[1] - shift)
            if last - first >= (steps + 1) // 2:
                part = values[:, first + shift : last + shift]
                powers.append(_power(part.ravel(), truth[:, first:last].ravel()))
    return max(powers)


def _unknown_steps(data: AuditData) -> Iterator[Checked]:
    """The steps of windows that have no value, in the split that lacks most of them."""
    bound = data.spec.series.unknown
    for name in data.windows():
        columns = {split: table[name] for split, table in data.tables.items() if table.num_rows}
        shares = {split: _share_unknown(column) for split, column in columns.items()}
        if not shares:
            continue
        worst = max(shares, key=lambda split: shares[split])
        yield Checked(
            check="series.unknown",
            feature=name,
            split=worst,
            **judged(bound.severity, shares[worst], bound.max_share),
            what=f"{shares[worst]:.2%} of the steps of {name!r} have no value.",
            expected=f"at most {bound.max_share:.2%}",
            received=", ".join(f"{split}: {share:.2%}" for split, share in shares.items()),
            fix="bring the values; until then they are filled as `fill` of the feature says",
        )


def _share_unknown(column: pa.ChunkedArray) -> float:
    steps = len(column) * int(column.type.list_size)
    return sum(int(np.isnan(part).sum()) for part in list_parts(column)) / steps


def _power(values: Floats, truth: Floats) -> float:
    """The share of the truth's variance that the mean within bins of the values explains."""
    known = np.isfinite(values) & np.isfinite(truth)
    values, truth = values[known], truth[known]
    variance = float(truth.var()) if len(truth) else 0.0
    if not variance:
        return 0.0
    bins = int(np.clip(len(values) // _VALUES_OF_BIN, 2, _BINS))
    bounds = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    places = np.searchsorted(bounds, values, side="right")
    counts = np.bincount(places, minlength=len(bounds) + 1)
    means = np.bincount(places, truth, len(bounds) + 1) / np.maximum(counts, 1)
    return 1.0 - float(np.square(truth - means[places]).mean()) / variance
