"""Pushes to a bucket: numbered, whole or not there, and not repeated."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from components.pusher import destination
from components.pusher.destination import push_version
from contracts.errors import EnvironmentProblem
from contracts.storage import folders
from contracts.storage.folders import MARKER, list_published
from contracts.storage.location import parse_location
from contracts.storage.objects import StoredFile, write_bytes
from contracts.storage.staging import stage


@pytest.fixture
def model_dir(tmp_path):
    folder = tmp_path / "model"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    return folder


@pytest.fixture
def target(bucket):
    return f"s3://{bucket}/models/flights"


def test_versions_count_up_and_hold_everything(tmp_path, model_dir, target, bucket, object_store):
    warmup = tmp_path / "warmup"
    warmup.write_bytes(b"requests")
    assert push_version(model_dir, target, {"warmup": warmup}) == f"{target}/1"
    assert push_version(model_dir, target) == f"{target}/2"
    assert [key for key in object_store.keys(bucket) if "/flights/1/" in key] == [
        f"models/flights/1/{name}"
        for name in (
            MARKER,
            "assets.extra/warmup",
            "saved_model.pb",
            "variables/variables.index",
        )
    ]
    assert (stage(f"{target}/1") / "assets.extra" / "warmup").read_bytes() == b"requests"


def test_a_push_that_was_killed_leaves_no_version_and_the_next_one_takes_its_number(
    model_dir, target, monkeypatch
):
    push_version(model_dir, target)
    copied, copy = [], folders.copy_up

    def dies_at_the_graph(path, location):
        if location.name == "saved_model.pb":
            raise KeyboardInterrupt
        copied.append(location.name)
        copy(path, location)

    (model_dir / "leftover").write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(folders, "copy_up", dies_at_the_graph)
        with pytest.raises(KeyboardInterrupt):
            push_version(model_dir, target)
    assert sorted(copied) == ["leftover", "variables.index"]
    assert list_published(parse_location(target)) == ["1"]
    (model_dir / "leftover").unlink()
    assert push_version(model_dir, target) == f"{target}/2"
    assert not (stage(f"{target}/2") / "leftover").exists()


def test_the_same_facts_are_not_pushed_twice(model_dir, target):
    facts = {"model": "abc", "source": "def"}
    assert push_version(model_dir, target, facts=facts) == f"{target}/1"
    assert push_version(model_dir, target, facts=facts) == f"{target}/1"
    assert push_version(model_dir, target, facts=facts | {"source": "ghi"}) == f"{target}/2"


def test_what_is_no_version_does_not_count(model_dir, target, bucket, object_store):
    client = object_store.client()
    for key in ("41/", "latest/", "9/saved_model.pb"):
        client.put_object(Bucket=bucket, Key=f"models/flights/{key}", Body=b"")
    assert push_version(model_dir, target) == f"{target}/1"


def test_pushers_at_once_get_a_version_each(model_dir, target):
    with ThreadPoolExecutor(3) as pool:
        pushes = [pool.submit(push_version, model_dir, target) for _ in range(3)]
    versions = [push.result() for push in pushes]
    assert len(set(versions)) == 3
    for version in versions:
        stage(version)


def test_the_number_of_a_killed_pusher_is_left_out(model_dir, target, monkeypatch):
    monkeypatch.setattr(destination, "_PAUSE_S", 0.0)
    for number in (1, 2):
        write_bytes(parse_location(f"{target}/.claims/{number}/killed"), b"")
    assert push_version(model_dir, target) == f"{target}/3"
    write_bytes(parse_location(f"{target}/.claims/4/killed"), b"")
    monkeypatch.setattr(destination, "_ATTEMPTS", 3)
    with pytest.raises(EnvironmentProblem, match="Other pushes"):
        push_version(model_dir, target)
    assert list_published(parse_location(target)) == ["3"]


@pytest.mark.parametrize(("age_s", "alone"), [(10, False), (-10, False), (7200, True)])
def test_the_claim_of_a_pusher_that_was_killed_gets_old(age_s, alone, monkeypatch):
    own, other = (parse_location(f"s3://bucket/m/.claims/1/{name}") for name in ("own", "other"))
    now = 10**18
    claims = [StoredFile(own, 0, now), StoredFile(other, 0, now - age_s * 10**9)]
    monkeypatch.setattr(destination, "list_files", lambda _: claims)
    assert destination._is_alone(own) is alone
