"""Addresses of buckets: parsed, checked and written in one form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

SCHEMES = ("s3", "gs")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/+(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}[A-Za-z0-9]")


@dataclass(frozen=True)
class Location:
    """A place in a bucket.

    Attributes:
      scheme: `s3` or `gs`.
      bucket: The bucket.
      key: The rest of the address, without a slash at either end; empty for the bucket itself.
    """

    scheme: str
    bucket: str
    key: str = ""

    @property
    def path(self) -> str:
        """The place as `pyarrow.fs` names it."""
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.path.rpartition("/")[2]

    @property
    def root(self) -> Location:
        """The bucket itself."""
        return Location(self.scheme, self.bucket)

    def __truediv__(self, below: str) -> Location:
        key = "/".join(part for part in (self.key, str(below).strip("/")) if part)
        return Location(self.scheme, self.bucket, key)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"


def is_remote(place: str | Path) -> bool:
    """Whether a place is the address of a bucket, and not a local path."""
    match = _URL.fullmatch(str(place))
    return match is not None and match[1].lower() in SCHEMES


def parse_location(place: str) -> Location:
    """Gives the parts of an address; one slash will do where `pathlib` has left but one.

    Raises:
      ValueError: It is not the address of a bucket. The message never repeats credentials.
    """
    match = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*):/+([^/]*)/*(.*)", place, re.DOTALL)
    if match is None or match[1].lower() not in SCHEMES:
        raise ValueError("expected s3://BUCKET/KEY or gs://BUCKET/KEY")
    bucket, key = match[2], match[3].rstrip("/")
    if "@" in bucket:
        raise ValueError(
            "an address holds no credentials: take them out, and set the environment variables "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or GOOGLE_APPLICATION_CREDENTIALS"
        )
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{bucket!r} is no name of a bucket: expected s3://BUCKET/KEY")
    if any(part in ("", ".", "..") for part in key.split("/")) and key:
        raise ValueError(f"{key!r} is no key: expected names between single slashes")
    if any(ord(letter) < 32 for letter in key):
        raise ValueError("a key holds no control characters")
    return Location(match[1].lower(), bucket, key)


def check_place(place: str) -> str:
    """Gives a place of a config in one form: an address without a slash at its end, or a path.

    Raises:
      ValueError: It looks like an address, and is not one of a bucket.
    """
    match = _URL.fullmatch(place)
    if match is None:
        return place
    if match[1].lower() not in SCHEMES:
        raise ValueError(
            f"addresses that begin with {match[1]}: are not supported: "
            "expected a local path, s3://BUCKET/KEY or gs://BUCKET/KEY"
        )
    return str(parse_location(place))


def address_or_path(place: Path) -> Path | str:
    """Gives the address that a path of the command line is; else the path."""
    return str(parse_location(str(place))) if is_remote(place) else place


def join_place(place: str, below: str) -> str:
    """Gives the place below another one."""
    if is_remote(place):
        return str(parse_location(place) / below)
    return str(PurePosixPath(place) / below)


Place = Annotated[str, Field(min_length=1), AfterValidator(check_place)]
"""A key of a config that is a local path or the address of a bucket."""
