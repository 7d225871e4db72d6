"""Addresses: what is one, and what is refused without repeating a credential."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.storage.location import Location, check_place, is_remote, join_place, parse_location

_part = st.text(
    st.characters(codec="utf-8", exclude_characters="/", exclude_categories=("Cc", "Cs")),
    min_size=1,
).filter(lambda part: part not in (".", ".."))
_bucket = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,40}[a-z0-9]", fullmatch=True)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(["s3", "gs"]), _bucket, st.lists(_part, max_size=4))
def test_an_address_is_read_as_it_is_written(scheme, bucket, parts):
    location = Location(scheme, bucket, "/".join(parts))
    assert parse_location(str(location)) == location
    assert parse_location(f"{location}/") == location
    assert is_remote(str(location))
    assert check_place(f"{location}/") == str(location)


@given(st.text(max_size=30))
def test_any_text_is_a_path_an_address_or_an_error(text):
    try:
        place = check_place(text)
    except ValueError:
        assert ":/" in text
    else:
        assert place == text or str(parse_location(text)) == place


@pytest.mark.parametrize("path", ["data/x.csv", "/data", "C:x", "a//b", "s3", "s3:x", "./s3"])
def test_paths_are_left_alone(path):
    assert check_place(path) == path
    assert not is_remote(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://host/x", "http: are not supported"),
        ("hdfs://host/x", "expected a local path, s3://BUCKET/KEY or gs://BUCKET/KEY"),
        ("s3://", "no name of a bucket"),
        ("s3://b/x", "no name of a bucket"),
        ("s3://bucket/a//b", "between single slashes"),
        ("s3://bucket/a/../b", "between single slashes"),
    ],
)
def test_what_is_no_address_of_a_bucket_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        check_place(text)


def test_credentials_in_an_address_are_refused_and_not_repeated():
    with pytest.raises(ValueError, match="holds no credentials") as caught:
        check_place("s3://AKIAEXAMPLE:wJalrXUtn@bucket/key")
    assert "wJalr" not in str(caught.value)
    assert "AKIA" not in str(caught.value)


def test_an_address_survives_pathlib():
    assert is_remote(Path("s3://bucket/key"))
    assert check_place(str(Path("s3://bucket/key"))) == "s3://bucket/key"


def test_places_are_joined():
    assert join_place("s3://bucket", "a") == "s3://bucket/a"
    assert join_place("s3://bucket/a/", "b/c") == "s3://bucket/a/b/c"
    assert join_place("runs", "a") == "runs/a"
