"""What is wrong with a bucket, said in a few lines, in seconds, and without a credential."""

import socket
import time

import pytest

from contracts.errors import EnvironmentProblem
from contracts.storage import errors, filesystem
from contracts.storage.errors import StorageProblem, storage_problem
from contracts.storage.folders import publish, read_marker
from contracts.storage.location import parse_location
from contracts.storage.objects import find_file, list_files, list_names, read_bytes, write_bytes

_CALLS = [
    list_files,
    list_names,
    find_file,
    read_bytes,
    read_marker,
    lambda location: write_bytes(location, b"x"),
]


def _problem(call, location):
    with pytest.raises(StorageProblem) as caught:
        call(location)
    assert len(caught.value.lines()) <= 10
    return caught.value


@pytest.mark.parametrize("call", _CALLS)
def test_a_bucket_that_is_not_there(call, bucket):
    problem = _problem(call, parse_location("s3://no-such-bucket/key"))
    assert problem.what == "There is no bucket 'no-such-bucket'."


@pytest.mark.parametrize("call", _CALLS)
def test_wrong_credentials(call, bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "this-is-not-the-secret")
    problem = _problem(call, parse_location(f"s3://{bucket}/key"))
    assert "credentials" in problem.what
    assert "AWS_SECRET_ACCESS_KEY" in problem.expected
    assert "this-is-not-the-secret" not in str(problem)


def test_an_endpoint_that_refuses_connections(bucket, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        began = time.monotonic()
        problem = _problem(list_files, parse_location(f"s3://{bucket}/key"))
    assert problem.what == "The bucket's server does not answer."
    assert "127.0.0.1" in problem.where
    assert time.monotonic() - began < 20


def test_an_endpoint_that_says_nothing(bucket, monkeypatch):
    monkeypatch.setattr(filesystem, "_ANSWER_S", 1.0)
    monkeypatch.setattr(filesystem, "_ATTEMPTS", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        problem = _problem(list_files, parse_location(f"s3://{bucket}/key"))
        monkeypatch.setattr(filesystem, "_connect", lambda *_: pytest.fail("asked again"))
        for call in _CALLS:
            again = _problem(call, parse_location(f"s3://{bucket}/another"))
            assert (again.what, again.received) == (problem.what, problem.received)
            assert again.where.startswith(f"s3://{bucket}/another")
    assert problem.what == "The bucket's server does not answer."


def test_a_server_that_said_nothing_is_asked_again_later(monkeypatch):
    place = parse_location("s3://bucket/key")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2")
    now = 1000.0
    monkeypatch.setattr(errors.time, "monotonic", lambda: now)
    with pytest.raises(errors.NoAnswer), errors.explained(place):
        raise OSError("AWS Error NETWORK_CONNECTION")
    with pytest.raises(errors.NoAnswer), errors.explained(place):
        pytest.fail("asked again")
    now += errors._SILENT_S + 1
    with pytest.raises(errors.MissingObject), errors.explained(place):
        raise FileNotFoundError("answered")


@pytest.mark.parametrize("endpoint", ["ftp://host", "http://", "http://user:secret@host"])
def test_an_endpoint_that_is_none(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(EnvironmentProblem, match="no address of a server") as caught:
        list_files(parse_location("s3://bucket/key"))
    assert "secret" not in str(caught.value)


def test_no_credential_gets_into_an_error(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sEcReT/with+signs")
    raised = OSError("the server repeats sEcReT/with+signs at http://me:pw@host/x")
    problem = storage_problem(parse_location("s3://bucket/key"), raised)
    assert "sEcReT" not in problem.to_json()
    assert "me:pw" not in problem.to_json()


def test_a_missing_bucket_is_reported_before_anything_is_copied(bucket, tmp_path):
    (tmp_path / "model").mkdir()
    problem = _problem(
        lambda place: publish(tmp_path / "model", place), parse_location("s3://no-such-bucket/m")
    )
    assert "no bucket" in problem.what


def test_google_cloud_storage_gets_its_options_from_the_environment(monkeypatch):
    """Not run against a server: only that pyarrow takes what the environment says."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    connection = filesystem.connect(parse_location("gs://bucket/key"))
    assert connection.type_name == "gcs"
    monkeypatch.setattr(filesystem, "_ANSWER_S", 0.0)
    monkeypatch.setattr(filesystem, "_CONNECT_S", 1.0)
    filesystem._connect.cache_clear()
    problem = _problem(list_files, parse_location("gs://bucket/key"))
    assert problem.what == "The bucket's server does not answer."
