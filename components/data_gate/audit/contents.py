"""Features whose values are no scalars: each kind of them brings its own checks."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from components.data_gate.audit.columns import Ints, labels_of
from components.data_gate.audit.outcome import AuditData
from contracts.arrays import Array
from contracts.results.audit import ContentDetails, ContentSample
from contracts.results.checked import Checked, Part
from models.content.kind import TRAIN, Content, ContentSplits

_CLASSES = 20
_OF_CLASS = 6
_WITHOUT_CLASSES = 24


def check_contents(data: AuditData) -> Part:
    """Makes the checks of each such feature, and shows samples of it."""
    part = Part()
    shown: dict[str, Any] = {}
    for name, content in data.contents().items():
        began = time.monotonic()
        bounds = getattr(data.spec, content.audit_key)
        splits, places = _drawn(data, name, content, bounds.rows)
        part.checks.extend(map(_naming_feature, content.audit(splits, bounds)))
        shown[name] = _details(splits, content, data, places).model_dump(mode="json")
        logger = logging.getLogger(__name__)
        logger.info("%s %s: %.2f s", content.audit_key, name, time.monotonic() - began)
    if shown:
        part.details["contents"] = shown
    return part


def _naming_feature(check: Checked) -> Checked:
    """Several features may hold texts or images: what is found says in which one."""
    is_named = check.outcome == "off" or repr(check.feature) in check.what
    return check if is_named else replace(check, what=f"{check.feature!r}: {check.what}")


def _drawn(
    data: AuditData, name: str, content: Content, most: int
) -> tuple[ContentSplits, Mapping[str, Ints]]:
    """The values, or of too many a sample of each split; and their places in the tables."""
    rows = sum(table.num_rows for table in data.tables.values())
    places: dict[str, Ints] = {}
    facts, labels = dict(data.facts_of(name)), {}
    for split, table in data.tables.items():
        labels[split] = labels_of(table, data.problem)
        places[split] = np.arange(table.num_rows)
        if rows > most:
            kept = np.random.default_rng(0).permutation(table.num_rows)
            places[split] = np.sort(kept[: round(table.num_rows * most / rows)])
            facts[split] = content.take(facts[split], places[split])
            labels[split] = labels[split][places[split]]
    return (
        ContentSplits(
            name,
            data.problem.label.name,
            tuple(str(value) for value in data.problem.label_classes()),
            facts,
            labels,
            lambda split, place: data.name_row(split, int(places[split][place])),
            data.problem.raw_columns()[name].model_dump(),
        ),
        places,
    )


def _details(
    splits: ContentSplits, content: Content, data: AuditData, places: Mapping[str, Ints]
) -> ContentDetails:
    samples: list[ContentSample] = []
    if TRAIN in splits.facts:
        facts, labels = splits.facts[TRAIN], splits.labels[TRAIN]
        for label, rows in _sampled_rows(labels, splits.classes):
            at = data.places_of(TRAIN)[places[TRAIN][rows]]
            samples += [
                ContentSample(
                    label=label, row=int(row), split=TRAIN, view=content.preview(facts, int(place))
                )
                for place, row in zip(rows, at, strict=True)
            ]
    return ContentDetails(
        kind=content.audit_key,
        statistics={
            split: content.statistics(facts, splits.settings)
            for split, facts in splits.facts.items()
        },
        samples=samples,
    )


def _sampled_rows(labels: Array, classes: Sequence[str]) -> list[tuple[str, Ints]]:
    """Some rows of each class; of a number, some rows from its least to its greatest."""
    rng = np.random.default_rng(0)
    if not classes:
        order = np.argsort(labels, kind="stable")
        spread = np.linspace(0, len(order) - 1, min(_WITHOUT_CLASSES, len(order)))
        return [("", order[np.unique(spread.astype(np.int64))])]
    return [
        (name, np.sort(rng.permutation(np.flatnonzero(labels == label))[:_OF_CLASS]))
        for label, name in enumerate(classes[:_CLASSES])
    ]
