"""Models in a bucket: what is published is served, what is not never is."""

import pytest

from contracts.errors import KelpError
from contracts.storage.folders import publish, remove_published
from contracts.storage.location import parse_location
from contracts.storage.objects import write_bytes
from serving.config import PolicySpec, ServingSpec
from serving.versions.mirror import require_local
from serving.versions.sources import Sources


@pytest.fixture
def root(bucket):
    return f"s3://{bucket}/models"


@pytest.fixture
def push(root, tmp_path):
    def push_version(version):
        folder = tmp_path / f"version-{version}"
        folder.mkdir()
        (folder / "saved_model.pb").write_text(f"graph {version}")
        publish(folder, parse_location(root) / "m" / str(version))

    return push_version


def _spec(root, tmp_path, **more):
    return ServingSpec(models_root=root, artifacts=str(tmp_path / "none"), **more)


def _seen(sources):
    return {
        target.name: {number: one.path for number, one in (target.found or {}).items()}
        for target in sources.look()
    }


def test_versions_come_and_go_with_the_bucket(root, push, tmp_path):
    sources = Sources(_spec(root, tmp_path))
    assert _seen(sources) == {}
    push(1)
    (path,) = _seen(sources)["m"].values()
    assert (path / "saved_model.pb").read_text() == "graph 1"
    write_bytes(parse_location(root) / "m" / "2" / "saved_model.pb", b"half a push")
    assert list(_seen(sources)["m"]) == [1]
    push(3)
    assert sorted(_seen(sources)["m"]) == [1, 3]
    remove_published(parse_location(root) / "m" / "1")
    assert sorted(_seen(sources)["m"]) == [3]


def test_only_what_a_policy_may_ask_for_is_copied(root, push, tmp_path):
    for version in (1, 2, 3, 4):
        push(version)
    assert sorted(_seen(Sources(_spec(root, tmp_path)))["m"]) == [3, 4]
    policy = PolicySpec(kind="specific", versions=(1,))
    assert 1 in _seen(Sources(_spec(root, tmp_path, policy=policy)))["m"]


def test_a_bucket_that_goes_away_changes_nothing_and_is_reported(root, push, tmp_path, monkeypatch):
    push(1)
    sources = Sources(_spec(root, tmp_path))
    before = _seen(sources)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
        assert _seen(sources) == before
        assert "credentials" in str(sources.problem)
        with pytest.raises(KelpError, match="credentials"):
            Sources(_spec(root, tmp_path)).look()
    assert _seen(sources) == before
    assert sources.problem is None


def test_what_writes_beside_the_models_refuses_a_bucket(tmp_path):
    with pytest.raises(KelpError, match="needs a local root") as caught:
        require_local("s3://bucket/models", "kelp release")
    assert len(caught.value.lines()) <= 10
    assert require_local(str(tmp_path), "kelp release") == tmp_path
