"""The checks of images: unreadable, blank, odd, seen before, or betrayed by their border."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from contracts.arrays import Array
from contracts.results.checked import Checked, judged
from models.content.config import ImagesAuditSpec
from models.content.images.border import find_border_leak
from models.content.images.perceptual import find_near_images
from models.content.images.scan import FAULTS, readable
from models.content.kind import TRAIN, ContentSplits, Wording

# Brightest minus darkest, of 255: compressing a blank page leaves as much.
_BLANK = 12
# The border of smaller images is part of what they show.
_LEAST_SIDE = 16


def audit_images(splits: ContentSplits, bounds: ImagesAuditSpec) -> list[Checked]:
    """Makes all checks that are not off."""
    return [*_of_splits(splits, bounds), *_across_splits(splits, bounds), *_border(splits, bounds)]


def _of_splits(splits: ContentSplits, bounds: ImagesAuditSpec) -> Iterator[Checked]:
    for split, records in splits.facts.items():
        if not len(records):
            continue
        if bounds.unreadable.severity != "off":
            yield _unreadable(splits, split, records, bounds)
        known = np.flatnonzero(readable(records))
        if bounds.blank.severity != "off":
            pixels = records["pixels"][known].reshape(len(known), -1)
            blank = known[np.ptp(pixels, axis=1) < _BLANK] if len(known) else known
            wording = Wording(
                f"images of split {split} show one colour only",
                "remove them from the data, or find out why they are blank",
            )
            yield splits.share_check(
                "images.blank", split, bounds.blank, blank, len(known), wording
            )
        if bounds.sizes.severity != "off" and len(known):
            yield _sizes(splits, split, records, known, bounds)


def _unreadable(
    splits: ContentSplits, split: str, records: Array, bounds: ImagesAuditSpec
) -> Checked:
    missing = FAULTS.index("missing")
    pixels = records["width"].astype(np.int64) * records["height"]
    refused = pixels > splits.settings.get("max_pixels", np.inf)
    faults = np.where(refused, FAULTS.index("too large"), records["fault"])
    bad = np.flatnonzero((faults > 0) & (faults != missing))
    counts = np.bincount(faults[bad], minlength=len(FAULTS))
    kinds = ", ".join(f"{count:,} {FAULTS[at]}" for at, count in enumerate(counts) if count)
    wording = Wording(
        f"images of split {split} cannot be decoded" + (f" ({kinds})" if kinds else ""),
        "replace the files by whole ones (PNG, JPEG, BMP or GIF) of at most the feature's "
        "max_pixels, or remove them from the data",
    )
    present = int((faults != missing).sum())
    return splits.share_check("images.unreadable", split, bounds.unreadable, bad, present, wording)


def _sizes(
    splits: ContentSplits, split: str, records: Array, known: Array, bounds: ImagesAuditSpec
) -> Checked:
    every = np.concatenate([part[readable(part)] for part in splits.facts.values()])
    odd = np.zeros(len(known), bool)
    for measure in (_longer_side, _flatness):
        usual = float(np.median(measure(every)))
        ratio = measure(records[known]) / usual
        odd |= (ratio > bounds.sizes.factor) | (ratio < 1 / bounds.sizes.factor)
    wide, high = int(np.median(every["width"])), int(np.median(every["height"]))
    wording = Wording(
        f"images of split {split} are {bounds.sizes.factor:g} times smaller, larger, flatter or "
        f"narrower than the median image ({wide} x {high})",
        "look at them: icons and panoramas among photographs become something else once resized",
    )
    return splits.share_check("images.sizes", split, bounds.sizes, known[odd], len(known), wording)


def _longer_side(records: Array) -> Array:
    sides: Array = np.maximum(records["width"], records["height"]).astype(np.float64)
    return sides


def _flatness(records: Array) -> Array:
    return records["width"] / records["height"].astype(np.float64)


def _across_splits(splits: ContentSplits, bounds: ImagesAuditSpec) -> Iterator[Checked]:
    known = {name: np.flatnonzero(readable(part)) for name, part in splits.facts.items()}
    for earlier, later in combinations(splits.facts, 2):
        if not len(known[earlier]) or not len(known[later]):
            continue
        first = splits.facts[earlier][known[earlier]]
        second = splits.facts[later][known[later]]
        equal = np.isin(second["digest"], first["digest"])
        both, fix = f"{earlier}, {later}", "keep the images of one origin in one split: set "
        fix += "data.split.by to key, with the column that names the origin"
        if bounds.across.severity != "off":
            wording = Wording(f"images of split {later} are also in {earlier}", fix)
            places = known[later][equal]
            yield splits.share_check(
                "images.across", both, bounds.across, places, len(second), wording
            )
        if bounds.near.severity != "off":
            pairs = find_near_images(first, second)
            new = ~equal[pairs.later]
            originals = known[earlier][pairs.earlier[new]]
            named = splits.name_rows(earlier, originals)
            wording = Wording(
                f"images of split {later} are nearly an image of {earlier}"
                + (f" ({named})" if named else ""),
                fix,
            )
            places = known[later][pairs.later[new]]
            yield splits.share_check("images.near", both, bounds.near, places, len(second), wording)


def _border(splits: ContentSplits, bounds: ImagesAuditSpec) -> Iterator[Checked]:
    bound, name = bounds.border, "images.border"
    if bound.severity == "off" or TRAIN not in splits.facts:
        return
    if not splits.classes:
        yield splits.not_measured(name, bound, "the label is a number, not a class")
        return
    records, labels = splits.facts[TRAIN], splits.labels[TRAIN]
    known = np.flatnonzero(readable(records) & (labels >= 0))
    if len(known) and np.median(_longer_side(records[known])) < _LEAST_SIDE:
        yield splits.not_measured(
            name, bound, f"images of fewer than {_LEAST_SIDE} pixels a side have no border"
        )
        return
    leak = find_border_leak(records["pixels"][known], labels[known]) if len(known) else None
    if leak is None:
        yield splits.not_measured(name, bound, "too few images of two classes")
        return
    failed, value = leak.share > bound.max_share, splits.classes[leak.label]
    label = splits.label
    rows = splits.name_rows(TRAIN, known[leak.places]) if failed else ""
    yield Checked(
        check=name,
        feature=splits.feature,
        split=TRAIN,
        **judged(bound.severity, leak.share, bound.max_share),
        what=f"The border of the images alone tells {leak.share:.0%} of those with {label} = "
        f"{value} from all others; it differs most at the {leak.where}: {rows}."
        if failed
        else "The border of the images alone tells no class from all others.",
        expected=f"at most {bound.max_share:.0%} of the images of a class",
        received=f"{leak.share:.0%} of the images with {label} = {value}",
        fix="look for a watermark, a frame or a background that only these images have; crop it, "
        "or raise data.audit.images.border.max_share",
    )
