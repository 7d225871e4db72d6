"""Dates and times: from text to moments, and to calendar features."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.data.dates import (
    ISO,
    PARTS,
    calendar_part,
    check_form,
    column_moments,
    first_no_date,
    iso_text,
    likely_formats,
)

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31))  # noqa: DTZ001 (no zone)
FORMS = (
    "%Y-%m-%d %H:%M:%S.%f",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%d/%m/%Y",
    "%d %b %Y %H:%M",
    "%B %d, %Y",
    "%d-%b-%y",
    "%Y-%m",
)


def moments(values: list[str | None], form: str) -> list[datetime | None] | None:
    found = column_moments(pa.array(values, pa.string()), form)
    return None if found is None else found.to_pylist()


@settings(deadline=None, max_examples=40)
@given(st.lists(MOMENTS, min_size=1, max_size=8), st.sampled_from(FORMS))
def test_every_moment_in_every_form_is_read_as_python_reads_it(
    values: list[datetime], form: str
) -> None:
    texts = [value.strftime(form) for value in values]
    wanted = [datetime.strptime(text, form) for text in texts]  # noqa: DTZ007 (no zone)
    assert moments(texts, form) == wanted


@settings(deadline=None, max_examples=40)
@given(st.lists(st.one_of(st.none(), MOMENTS), min_size=1, max_size=8))
def test_calendar_features_are_those_of_python(values: list[datetime | None]) -> None:
    column = pa.array(values, pa.timestamp("us"))
    wanted = {
        "year": lambda one: one.year,
        "month": lambda one: one.month,
        "day": lambda one: one.day,
        "day_of_year": lambda one: one.timetuple().tm_yday,
        "weekend": lambda one: int(one.isoweekday() > 5),
        "days": lambda one: (one - datetime(1970, 1, 1)).days,  # noqa: DTZ001
        "weekday": lambda one: one.isoweekday(),
        "hour": lambda one: one.hour,
        "minute": lambda one: one.minute,
    }
    assert set(wanted) == set(PARTS)
    for part, compute in wanted.items():
        expected = [None if one is None else compute(one) for one in values]
        assert calendar_part(column, part).to_pylist() == expected, part


@settings(deadline=None, max_examples=40)
@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_iso_times_with_a_zone_are_taken_in_utc(value: datetime, minutes: int) -> None:
    zoned = value.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    wanted = zoned.astimezone(timezone.utc).replace(tzinfo=None)
    assert moments([zoned.isoformat()], ISO) == [wanted]
    typed = pa.array([zoned], pa.timestamp("us", "Europe/Berlin"))
    assert column_moments(typed, ISO).to_pylist() == [wanted]


@settings(deadline=None, max_examples=40)
@given(st.lists(MOMENTS, min_size=1, max_size=8))
def test_iso_text_is_read_back(values: list[datetime]) -> None:
    column = pa.array(values, pa.timestamp("us"))
    assert column_moments(iso_text(column), ISO).equals(column)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.dates(date(1970, 1, 1), date(2068, 12, 31)), min_size=1, max_size=8))
def test_typed_dates_and_text_give_the_same_moments(values: list[date]) -> None:
    text = [value.strftime("%d.%m.%Y") for value in values]
    for kind in (pa.date32(), pa.date64(), pa.timestamp("ms")):
        typed = pa.array(values, pa.date32()).cast(kind)
        assert column_moments(typed, ISO).to_pylist() == moments(text, "%d.%m.%Y")


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=12), st.sampled_from((ISO, *FORMS)))
def test_no_text_makes_it_fall_over(text: str, form: str) -> None:
    found = moments([text], form)
    assert found is None or len(found) == 1


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("31.02.2013", "%d.%m.%Y"),
        ("29.02.2013", "%d.%m.%Y"),
        ("12/31/2013", "%d/%m/%Y"),
        ("31.12.2013 24:00", "%d.%m.%Y %H:%M"),
        ("31.12.2013 10:00", "%d.%m.%Y"),
        ("31 Dez 2013", "%d %b %Y"),
        ("1/2/2013 13:00 PM", "%m/%d/%Y %I:%M %p"),
        ("2013-13-01", ISO),
    ],
)
def test_what_is_no_date_is_refused_at_its_place(text: str, form: str) -> None:
    good = datetime(2013, 3, 2, 10)  # noqa: DTZ001 (no zone)
    fine = good.isoformat() if form == ISO else good.strftime(form)
    values = pa.array([fine, None, fine, text, fine])
    assert column_moments(values, form) is None
    assert first_no_date(values, form) == 3


@settings(deadline=None, max_examples=40)
@given(st.lists(MOMENTS, min_size=3, max_size=20), st.sampled_from(FORMS[1:4]))
def test_the_likely_form_is_among_those_found(values: list[datetime], form: str) -> None:
    assume(any(value.day > 12 for value in values))
    assert form in likely_formats(pa.array([value.strftime(form) for value in values]))


@pytest.mark.parametrize("values", [["1.5"], ["2013"], ["10:30"], ["a", "2013-01-01"], []])
def test_what_has_no_form_of_a_date(values: list[str]) -> None:
    assert likely_formats(pa.array(values, pa.string())) == []


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("%d.%m", "no %Y or %y"),
        ("%Q", "%Q is not known"),
        ("%d.%d.%Y", "comes twice"),
        ("%H:%M", "no form of a date"),
        ("%Y-%m-%d %I", "no %p"),
        ("%Y %y %m", "twice"),
    ],
)
def test_forms_that_cannot_be_read(form: str, shown: str) -> None:
    with pytest.raises(ValueError, match=shown):
        check_form(form)
