"""Numbers as people write them."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.example_gen import kinds
from components.example_gen.numbers import MARKS, NumberForm, likely_form

UNITS = ("", "€", "%", "US$", "km/h", "m²", "kr.")
FORMS = [NumberForm(*marks, unit) for marks in MARKS for unit in UNITS]


def write(value: Decimal, form: NumberForm, *, unit_first: bool, blank: str) -> str:
    """The number in a form."""
    whole, _, fraction = f"{abs(value):f}".partition(".")
    if form.thousands:
        whole = f"{int(whole):,}".replace(",", form.thousands)
    text = whole + (form.decimal + fraction if fraction else "")
    if form.unit:
        text = form.unit + blank + text if unit_first else text + blank + form.unit
    return f"-{text}" if value < 0 else text


def parsed(values: list[str | None], form: NumberForm, kind: str = kinds.FLOAT) -> object:
    numbers = kinds.parse(pa.array(values, pa.string()), kind, form)
    return None if numbers is None else numbers.to_pylist()


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.decimals(-(10**9), 10**9, places=2, allow_nan=False), min_size=1, max_size=20),
    st.sampled_from(FORMS),
    st.booleans(),
    st.sampled_from(["", " ", "\u00a0"]),
)
def test_every_number_in_every_form_is_read_back(
    values: list[Decimal], form: NumberForm, unit_first: bool, blank: str
) -> None:
    texts = [write(value, form, unit_first=unit_first, blank=blank) for value in values]
    assert parsed(texts, form) == [float(value) for value in values]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-(2**53), 2**53), min_size=1), st.sampled_from(FORMS))
def test_whole_numbers_stay_whole(values: list[int], form: NumberForm) -> None:
    texts = [write(Decimal(one), form, unit_first=False, blank="") for one in values]
    assert parsed(texts, form, kinds.INT) == values


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.decimals(-(10**7), 10**7, places=1, allow_nan=False), min_size=1, max_size=20),
    st.sampled_from(FORMS),
)
def test_the_likely_form_reads_the_numbers_as_they_were_meant(
    values: list[Decimal], form: NumberForm
) -> None:
    # One digit after the mark: nothing can be taken for a group of three.
    unit_first = form.unit in ("€", "US$")
    texts = [write(value, form, unit_first=unit_first, blank="") for value in values]
    likely = likely_form(pa.array(texts))
    assert likely is not None
    assert parsed(texts, likely) == [float(value) for value in values]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("1.5", NumberForm(",", "")),
        ("1.5", NumberForm(",", ".")),
        ("1.2345", NumberForm(",", ".")),
        ("0.125", NumberForm(",", ".")),
        ("1,5", NumberForm(".", ",")),
        ("12 34", NumberForm(",", " ")),
        ("5 kg", NumberForm(".", "", "€")),
        ("1,5,5", NumberForm(",", "")),
        ("--5", NumberForm(",", "")),
        ("-$-5", NumberForm(".", ",", "$")),
        ("1,5 and 2", NumberForm(",", "")),
    ],
)
def test_what_is_not_certain_is_not_read(text: str, form: NumberForm) -> None:
    assert parsed([text], form) is None
    assert kinds.kind_of_text(pa.array([text]), form=form) == kinds.TEXT


@pytest.mark.parametrize(
    ("words", "marks", "unit"),
    [
        (["1,5"], (",", ""), ""),
        (["$1,000"], (".", ","), "$"),
        (["5%", "3,2 %"], (",", ""), "%"),
        (["1.234,5"], (",", "."), ""),
        (["1,234", "0,125"], (",", ""), ""),
        (["1'234.50"], (".", "'"), ""),
        (["-€5", "7"], (".", ""), "€"),
    ],
)
def test_likely_forms(words: list[str], marks: tuple[str, str], unit: str) -> None:
    assert likely_form(pa.array(words)) == NumberForm(*marks, unit)


@pytest.mark.parametrize(
    "words", [["A12"], ["t1", "t2"], ["1e5x"], ["12.5.2013"], ["5 %", "€3"], []]
)
def test_codes_are_no_numbers(words: list[str]) -> None:
    assert likely_form(pa.array(words, pa.string())) is None


def test_missing_and_special_values_are_read_as_in_plain_numbers() -> None:
    form = NumberForm(",", ".", "€")
    assert parsed(["1,5 €", None, " ", "nan", "true", "inf"], form) == [
        1.5,
        None,
        None,
        None,
        1.0,
        float("inf"),
    ]
