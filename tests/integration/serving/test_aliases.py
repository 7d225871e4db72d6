"""MLflow's aliases go where the traffic goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.release.aliases import Aliases
from tests.fixtures.registry import tracking_in


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    from mlflow import MlflowClient

    uri = tracking_in(tmp_path_factory.mktemp("mlflow")).uri
    return uri, MlflowClient(tracking_uri=uri, registry_uri=uri)


def _register(client, root, pushed):
    """Versions of the model `m`; MLflow's numbers need not be those of the folder."""
    client.create_registered_model("m")
    for number in pushed:
        tags = {"pushed_to": str(root / "m" / str(number))} if number else {}
        client.create_model_version("m", f"{root}/source", tags=tags)


def _aliases(client):
    aliases = client.get_registered_model("m").aliases
    return {alias: str(number) for alias, number in aliases.items()}


def test_aliases_follow_the_traffic(registry, tmp_path, monkeypatch):
    uri, client = registry
    monkeypatch.chdir(tmp_path)
    root = Path("serving_models")
    # The third was registered and never pushed; the fourth is the folder's second.
    _register(client, root, [1, 7, None, 2])
    received = []
    follow_all = ((1, 2), (2, None), (1, None))
    seen = []
    for stable, canary in follow_all:
        assert Aliases(uri, root / "m", received.append).follow(stable, canary)
        seen.append(_aliases(client))
    assert seen == [
        {"stable": "1", "champion": "1", "canary": "4"},
        {"stable": "4", "champion": "4"},
        {"stable": "1", "champion": "1"},
    ]
    # Nobody registered these.
    assert not Aliases(uri, root / "m", received.append).follow(5, None)
    assert not Aliases(uri, root / "other", received.append).follow(1, None)
    assert _aliases(client) == seen[-1]
    # A release that fails leaves them as they were.
    before = Aliases(uri, root / "m", received.append).read()
    Aliases(uri, root / "m", received.append).follow(2, 1)
    assert _aliases(client) != before
    Aliases(uri, root / "m", received.append).restore(before)
    assert _aliases(client) == before == seen[-1]
    assert Aliases(uri, root / "other", received.append).read() is None
    assert received == []


def test_without_a_registry_there_is_nothing_to_do(tmp_path):
    received = []
    assert not Aliases(None, tmp_path / "m", received.append).follow(1, None)
    absent = f"sqlite:///{tmp_path}/none.db"
    assert not Aliases(absent, tmp_path / "m", received.append).follow(1, None)
    assert not list(tmp_path.iterdir())
    assert received == []


def test_a_registry_that_is_away_holds_no_traffic_up(tmp_path):
    received = []
    away = Aliases("http://kelp:hunter2@127.0.0.1:9", tmp_path / "m", received.append)
    assert not away.follow(1, None)
    assert "aliases of m are as they were" in received[0]
    assert "hunter2" not in received[0]
