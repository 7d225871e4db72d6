"""The audit of texts finds what was planted, by name, and is silent on clean texts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.results.checked import Checked
from models.content.config import TextsAuditSpec
from models.content.texts.content import TextContent
from models.content.texts.minhash import signatures
from models.content.texts.words import split_words
from tests.content_examples import checked, content_splits, texts

ROWS = {"train": 600, "val": 80, "test": 80}
CLASSES = ("bad", "good")


@pytest.fixture(scope="module")
def clean() -> dict[str, tuple[list[str], Any]]:
    """Three splits without a defect."""
    return {split: texts(rows, seed) for seed, (split, rows) in enumerate(ROWS.items())}


def audit(values: Any, **bounds: Any) -> list[Checked]:
    content = TextContent()
    spec = TextsAuditSpec.model_validate(bounds)
    return content.audit(content_splits(content, values, CLASSES), spec)


def planted(clean: Any, split: str, place: int, text: str | None) -> Any:
    found, labels = clean[split]
    return {**clean, split: ([*found[:place], text, *found[place + 1 :]], labels)}


def test_clean_texts_pass(clean: Any) -> None:
    assert {check.outcome for check in audit(clean)} == {"pass"}


@pytest.mark.parametrize("text", ["", "   ", "?! ...", None])
def test_texts_without_a_word_are_named(clean: Any, text: str | None) -> None:
    found = checked(audit(planted(clean, "test", 4, text)), "texts.empty", "test")
    assert found.outcome == "warn"
    assert "1 of 80 texts of split test have no word" in found.what
    assert "row 5 of split test" in found.what


@pytest.mark.parametrize("markup", ["<br />", "<p class='a'>", "</b>", "&amp;", "&#39;"])
def test_markup_is_found(clean: Any, markup: str) -> None:
    found, labels = clean["test"]
    marked = {**clean, "test": ([text + f" {markup} " + text for text in found], labels)}
    assert checked(audit(marked), "texts.markup", "test").figure == 1.0


def test_markup_that_the_transform_removes_is_no_finding(clean: Any) -> None:
    content = TextContent()
    splits = replace(content_splits(content, clean, CLASSES), settings={"markup": "remove"})
    names = {check.check for check in content.audit(splits, TextsAuditSpec())}
    assert "texts.markup" not in names


def test_less_than_and_a_lone_ampersand_are_no_markup(clean: Any) -> None:
    found, labels = clean["test"]
    plain = {**clean, "test": ([text + " 3 < 4 & 5 > 2 AT&T" for text in found], labels)}
    assert checked(audit(plain), "texts.markup", "test").figure == 0.0


def test_near_duplicates_across_splits_are_named(clean: Any) -> None:
    words = clean["train"][0][30].split()
    altered = " ".join([*words[:-1], "another"])
    found = audit(planted(clean, "val", 9, altered), near={"max_share": 0.0})
    near = checked(found, "texts.near", "train, val")
    assert near.outcome == "warn"
    assert "row 10 of split val" in near.what
    assert "(row 31 of split train)" in near.what
    assert checked(found, "texts.across", "train, val").figure == 0.0


def test_exact_copies_across_splits_are_named(clean: Any) -> None:
    found = audit(planted(clean, "val", 9, clean["train"][0][30]), across={"max_share": 0.0})
    assert "row 10 of split val" in checked(found, "texts.across", "train, val").what
    assert checked(found, "texts.near", "train, val").figure == 0.0


def _drawn(values: list[str], rows: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return [values[place] for place in rng.integers(0, len(values), rows)], rng.integers(0, 2, rows)


def test_values_that_come_again_in_train_are_no_copies(clean: Any) -> None:
    names = [f"{text} Airways" for text in clean["test"][0][:15]]
    found = audit({split: _drawn(names, rows, rows) for split, rows in ROWS.items()})
    across = checked(found, "texts.across", "train, val")
    assert (across.outcome, across.figure) == ("pass", 1.0)
    assert "no leak: so are 100.0% of one quarter of train in another quarter" in across.what


def test_templates_that_come_again_in_train_are_no_near_copies(clean: Any) -> None:
    templates = clean["test"][0][:15]
    values = {
        split: ([f"{text} {split}{place}" for place, text in enumerate(drawn)], labels)
        for split, (drawn, labels) in (
            (split, _drawn(templates, rows, rows)) for split, rows in ROWS.items()
        )
    }
    near = checked(audit(values), "texts.near", "train, val")
    assert near.figure is not None
    assert near.figure > 0.5
    assert near.outcome == "pass"
    assert "no leak" in near.what


@pytest.mark.parametrize("copies", [2, 3])
def test_rows_that_stand_several_times_in_the_data_are_copies(clean: Any, copies: int) -> None:
    rows = np.random.default_rng(3).permutation(np.repeat(np.arange(600), copies))
    parts = np.split(rows, [len(rows) - 400, len(rows) - 200])
    texts_of, labels = clean["train"]
    values = {
        name: ([texts_of[row] for row in part], labels[part])
        for name, part in zip(ROWS, parts, strict=True)
    }
    assert checked(audit(values), "texts.across", "train, val").outcome == "warn"


def test_a_token_that_gives_the_label_away_is_named_with_count_and_precision(clean: Any) -> None:
    found, labels = clean["train"]
    leaking = [
        f"{text} Ref-XZ" if label and place % 4 == 0 else text
        for place, (text, label) in enumerate(zip(found, labels, strict=True))
    ]
    leak = checked(audit({**clean, "train": (leaking, labels)}), "texts.token")
    texts_with = sum("XZ" in text for text in leaking)
    assert leak.outcome == "warn"
    assert f"100.0% of the {texts_with:,} texts with it have that label" in leak.what
    assert "label = good" in leak.what
    assert "'ref'" in leak.received or "'xz'" in leak.received


def test_tokens_that_train_lacks_are_counted(clean: Any) -> None:
    found, labels = clean["test"]
    other = {**clean, "test": ([f"quux {text}" for text in found], labels)}
    unknown = checked(audit(other, unknown={"max_share": 0.01}), "texts.unknown", "test")
    words = sum(len(text.split()) for text in found)
    assert unknown.figure == pytest.approx(80 / (words + 80))
    assert unknown.outcome == "warn"
    assert "'quux'" in unknown.what


def test_checks_that_are_off_are_not_made(clean: Any) -> None:
    names = ("empty", "markup", "across", "near", "token", "unknown")
    assert audit(clean, **{key: {"severity": "off"} for key in names}) == []


def test_scripts_without_spaces_are_split_by_character() -> None:
    words = split_words(pa.chunked_array([["日本 語", "Grüße, x!"]]))
    assert words.counts.tolist() == [3, 2]
    assert words.values.to_pylist() == ["日", "本", "語", "grüße", "x"]


def test_each_emoji_is_a_word() -> None:
    words = split_words(pa.chunked_array([["I ❤️ it \N{GRINNING FACE}\N{GRINNING FACE}!", ":-("]]))
    assert words.counts.tolist() == [5, 0]
    assert words.values.to_pylist() == ["i", "❤️", "it", "\N{GRINNING FACE}"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), min_size=1, max_size=12))
def test_any_texts_have_words_and_signatures(made: list[str | None]) -> None:
    column = pa.chunked_array([pa.array(made, pa.string())])
    words = split_words(column)
    assert len(words.ends) == len(made)
    assert words.counts.sum() == len(words.codes)
    together = signatures(words)
    apart = [signatures(split_words(column.slice(place, 1)))[0] for place in range(len(made))]
    assert np.array_equal(together, np.stack(apart))


def test_the_statistics_count_words(clean: Any) -> None:
    statistics = TextContent().statistics(
        pa.chunked_array([["a b<br />a", "c", None]]), {"markup": "remove"}
    )
    assert (statistics["texts"], statistics["tokens"], statistics["distinct"]) == (3, 4, 3)
    assert statistics["commonest"][0] == ["a", 2]
    assert statistics["length"] == [0, 1, 2, 3]
