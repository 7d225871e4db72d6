"""The checks of texts: empty, marked up, seen before, betrayed by one token, or in new words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.arrays import Array
from contracts.results.checked import Checked, judged
from models.content.config import TextsAuditSpec
from models.content.kind import TRAIN, ContentSplits, Wording
from models.content.texts.minhash import find_near_texts, signatures
from models.content.texts.tokens import find_token_leak, unknown_share
from models.content.texts.words import Words, read_texts, split_words

# A quarter of a split is compared with another: few copies meet there, values that come again do.
_PARTS = 4
_AS_MUCH = 1.1
_MARKUP = r"</?[A-Za-z][A-Za-z0-9]*(\s[^<>]*)?/?>|&(#\d+|#x[0-9A-Fa-f]+|[A-Za-z]{2,8});"


def audit_texts(splits: ContentSplits, bounds: TextsAuditSpec) -> list[Checked]:
    """Makes all checks that are not off."""
    words = {
        split: split_words(read_texts(texts, splits.settings))
        for split, texts in splits.facts.items()
    }
    return [
        *_of_splits(splits, bounds, words),
        *_across_splits(splits, bounds, words),
        *_token(splits, bounds, words),
        *_unknown(splits, bounds, words),
    ]


def _of_splits(
    splits: ContentSplits, bounds: TextsAuditSpec, words: Mapping[str, Words]
) -> Iterator[Checked]:
    for split, texts in splits.facts.items():
        if not len(texts):
            continue
        if bounds.empty.severity != "off":
            empty = np.flatnonzero(words[split].counts == 0)
            wording = Wording(
                f"texts of split {split} have no word: empty, missing, or signs only",
                "remove the rows, or find out why their text is gone",
            )
            yield splits.share_check("texts.empty", split, bounds.empty, empty, len(texts), wording)
        if bounds.markup.severity != "off" and splits.settings.get("markup") != "remove":
            matches = pc.match_substring_regex(pc.fill_null(texts, ""), _MARKUP)
            marked = np.flatnonzero(matches.to_numpy())
            wording = Wording(
                f"texts of split {split} have tags or character references of HTML",
                "set the feature's markup to remove: tags become words of their own",
            )
            yield splits.share_check(
                "texts.markup", split, bounds.markup, marked, len(texts), wording
            )


def _across_splits(
    splits: ContentSplits, bounds: TextsAuditSpec, words: Mapping[str, Words]
) -> Iterator[Checked]:
    signed = {split: signatures(split_words) for split, split_words in words.items()}
    fix = "keep the texts of one origin in one split: set data.split.by to key, with the column "
    fix += "that names the origin, or remove the copies"
    for earlier, later in combinations(splits.facts, 2):
        first, second = splits.facts[earlier], splits.facts[later]
        if not len(first) or not len(second):
            continue
        both = f"{earlier}, {later}"
        equal = _is_copy(second, first, words[later].counts)
        if bounds.across.severity != "off":
            wording = Wording(f"texts of split {later} are also in {earlier}", fix)
            across = splits.share_check(
                "texts.across", both, bounds.across, np.flatnonzero(equal), len(second), wording
            )
            yield _unless_common(across, partial(_common_share, first, words[earlier].counts))
        if bounds.near.severity != "off":
            pairs = find_near_texts(signed[earlier], signed[later])
            new = ~equal[pairs.later]
            named = splits.name_rows(earlier, pairs.earlier[new])
            wording = Wording(
                f"texts of split {later} are nearly a text of {earlier}"
                + (f" ({named})" if named else ""),
                fix,
            )
            near = splits.share_check(
                "texts.near", both, bounds.near, pairs.later[new], len(second), wording
            )
            yield _unless_common(near, partial(_common_near_share, first, signed[earlier]))


def _is_copy(texts: pa.ChunkedArray, others: pa.ChunkedArray, word_counts: Array) -> Array:
    """Which texts have words and are also among others."""
    copies: Array = pc.is_in(texts, pc.unique(others.drop_null())).to_numpy()
    return copies & (word_counts > 0)


def _unless_common(check: Checked, common_share: Callable[[], float]) -> Checked:
    """Passes a check that failed where the earlier split repeats itself as much: no leak."""
    if check.outcome == "pass":
        return check
    common = common_share()
    if (check.figure or 0.0) > _AS_MUCH * common:
        return check
    earlier = check.split.partition(", ")[0]
    what = (
        f"{check.what} This is no leak: so are {common:.1%} of one quarter of {earlier} in another "
        "quarter. They are values that come again."
    )
    return replace(check, outcome="pass", what=what)


def _quarters(count: int) -> tuple[Array, Array]:
    """The places of two quarters of some rows, drawn without regard to their order."""
    order = np.random.default_rng(0).permutation(count)
    size = count // _PARTS
    return np.sort(order[:size]), np.sort(order[size : 2 * size])


def _common_share(texts: pa.ChunkedArray, word_counts: Array) -> float:
    """The share of a quarter of some texts that is also in another quarter."""
    reference, asked = _quarters(len(texts))
    if not len(asked):
        return 0.0
    copies = _is_copy(
        texts.take(pa.array(asked)), texts.take(pa.array(reference)), word_counts[asked]
    )
    return float(copies.mean())


def _common_near_share(texts: pa.ChunkedArray, signed: Array) -> float:
    """The share of a quarter of some texts that is nearly, but not quite, in another quarter."""
    reference, asked = _quarters(len(texts))
    if not len(asked):
        return 0.0
    pairs = find_near_texts(signed[reference], signed[asked])
    counted = pc.value_counts(texts).flatten()
    repeated = counted[0].filter(pc.greater(counted[1], 1))
    equal = pc.is_in(texts.take(pa.array(asked)), repeated).to_numpy()
    return float((~equal[pairs.later]).sum() / len(asked))


def _token(
    splits: ContentSplits, bounds: TextsAuditSpec, words: Mapping[str, Words]
) -> Iterator[Checked]:
    bound, name = bounds.token, "texts.token"
    if bound.severity == "off" or TRAIN not in words:
        return
    if not splits.classes:
        yield splits.not_measured(name, bound, "the label is a number, not a class")
        return
    leak = find_token_leak(words[TRAIN], splits.labels[TRAIN])
    if leak is None:
        what, share, received = "No token alone gives away the label.", 0.0, "none"
    else:
        share, value = leak.share, splits.classes[leak.label]
        received = (
            f"{leak.token!r} in {leak.texts:,} texts, {leak.precision:.1%} of them with "
            f"{splits.label} = {value}"
        )
        what = (
            f"The token {leak.token!r} alone gives away {splits.label} = {value}: "
            f"{leak.precision:.1%} of the {leak.texts:,} texts with it have that label, of all "
            f"texts {leak.prior:.1%}; {share:.1%} of the texts with that label have it."
        )
    yield Checked(
        check=name,
        feature=splits.feature,
        split=TRAIN,
        **judged(bound.severity, share, bound.max_share),
        what=what,
        expected=f"no token that tells more than {bound.max_share:.0%} of a class's texts",
        received=received,
        fix="is the token written before the label is known? If not, remove it from the texts; "
        "if it is, raise data.audit.texts.token.max_share",
    )


def _unknown(
    splits: ContentSplits, bounds: TextsAuditSpec, words: Mapping[str, Words]
) -> Iterator[Checked]:
    bound = bounds.unknown
    if bound.severity == "off" or TRAIN not in words:
        return
    for split, asked in words.items():
        if split == TRAIN or not len(asked.codes):
            continue
        share, commonest = unknown_share(words[TRAIN], asked)
        named = f", such as {', '.join(map(repr, commonest))}" if commonest else ""
        yield Checked(
            check="texts.unknown",
            feature=splits.feature,
            split=split,
            **judged(bound.severity, share, bound.max_share),
            what=f"{share:.1%} of the words of split {split} are not in train{named}.",
            expected=f"at most {bound.max_share:.1%} of them",
            received=f"{share:.1%}",
            fix="is the split of another time, source or language than train? Split by rows, or "
            "add such texts to train",
        )
