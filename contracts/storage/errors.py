"""What pyarrow says about a bucket, as errors for the reader; never with a credential."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from contracts.errors import EnvironmentProblem
from contracts.storage.filesystem import endpoint_of
from contracts.storage.location import Location

SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
_VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, where there is one)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
}
_NO_BUCKET = re.compile(r"NO_SUCH_BUCKET|NoSuchBucket|bucket does not exist", re.IGNORECASE)
_REFUSED = re.compile(
    r"INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|INVALID_SIGNATURE|INVALID_CLIENT_TOKEN_ID"
    r"|UNRECOGNIZED_CLIENT|MISSING_AUTHENTICATION_TOKEN|ExpiredToken|EXPIRED_TOKEN"
    r"|InvalidToken|HTTP status 401|UNAUTHENTICATED|Could not create a OAuth2",
)
_DENIED = re.compile(r"ACCESS_DENIED|AccessDenied|HTTP status 403|PERMISSION_DENIED|Forbidden")
_NO_ANSWER = re.compile(
    r"NETWORK_CONNECTION|curlCode|Couldn't (?:connect|resolve)|Could not (?:connect|resolve)"
    r"|Timeout was reached|REQUEST_TIMEOUT|UNAVAILABLE|Retry policy exhausted",
    re.IGNORECASE,
)

_SILENT_S = 60.0
# By server, until when it is not asked, and what was raised when it was.
_silent: dict[tuple[str, str], tuple[float, BaseException]] = {}


class StorageProblem(EnvironmentProblem):
    """A bucket cannot be read or written."""


class NoAnswer(StorageProblem):
    """The server of a bucket cannot be reached, or says nothing."""


class MissingObject(StorageProblem):
    """There is no such object, though its bucket is there."""


@contextmanager
def explained(location: Location) -> Iterator[None]:
    """Turns what is raised about a place into a `StorageProblem`.

    A server that has just said nothing is not asked again for a while: whoever goes on without it
    asks for a dozen places, and would wait for each.
    """
    server = location.scheme, endpoint_of(location.scheme)
    until, reason = _silent.get(server, (0.0, OSError()))
    if time.monotonic() < until:
        raise storage_problem(location, reason)
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        problem, cause = storage_problem(location, error), without_secrets(error)
        if isinstance(problem, NoAnswer):
            _silent[server] = time.monotonic() + _SILENT_S, cause
        raise problem from cause


def is_of_server(error: BaseException) -> bool:
    """Whether an error comes from a bucket's server, and not from what a file holds."""
    return isinstance(error, OSError) and _OF_SERVER.search(str(error)) is not None


_OF_SERVER = re.compile(r"AWS Error|curlCode|google::cloud|^When [a-z]+ing ")


def storage_problem(location: Location, error: BaseException) -> StorageProblem:
    """Explains what pyarrow raised about a place."""
    text, place = scrubbed(str(error)), str(location)
    endpoint = endpoint_of(location.scheme)
    if isinstance(error, FileNotFoundError):
        return MissingObject(
            "There is no such object.", where=place, fix="correct the address, or write it first"
        )
    if _NO_BUCKET.search(text):
        return missing_bucket(location)
    if _REFUSED.search(text):
        return StorageProblem(
            "The bucket's server refuses the credentials.",
            where=place,
            expected=f"valid credentials in the environment: {_VARIABLES[location.scheme]}",
            received=text,
            fix="set the variables anew; a session token lasts for hours only",
        )
    if _DENIED.search(text):
        return StorageProblem(
            "The credentials are wrong, or do not allow this.",
            where=place,
            expected="credentials that may list, read, write and delete objects here; "
            f"{_VARIABLES[location.scheme]} in the environment",
            received=text,
            fix="set the variables anew, or ask who owns the bucket for the right",
        )
    if _NO_ANSWER.search(text):
        named = "AWS_ENDPOINT_URL" if location.scheme == "s3" else "STORAGE_EMULATOR_HOST"
        return NoAnswer(
            "The bucket's server does not answer.",
            where=f"{place}, at {scrubbed(endpoint) if endpoint else 'its public endpoint'}",
            expected=f"a server that answers; {named} names another than the public one",
            received=text,
            fix="check the network and the endpoint, then run the same command again",
        )
    return StorageProblem(
        "The bucket cannot be read or written.",
        where=place,
        received=f"{type(error).__name__}: {text}",
        fix="correct what the server says, then run the same command again",
    )


def missing_bucket(location: Location) -> StorageProblem:
    """Says that there is no such bucket."""
    return StorageProblem(
        f"There is no bucket {location.bucket!r}.",
        where=str(location),
        expected="a bucket that exists: Kelp makes none",
        fix="correct the address, or make the bucket; check the account, region and endpoint, too",
    )


def scrubbed(text: str) -> str:
    """Gives a text without the credentials that this process knows."""
    for name in SECRET_VARIABLES:
        value = os.environ.get(name, "")
        if len(value) > 3:
            text = text.replace(value, f"<{name}>")
    return re.sub(r"//[^/@\s]+@", "//<credentials>@", text)


def without_secrets(error: BaseException) -> BaseException:
    """Gives an error whose text can go into a trace."""
    text = scrubbed(str(error))
    return error if text == str(error) else OSError(text)
