"""Tiny real models, and one server that the tests of bad input share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.build_once import build_once
from tests.fixtures.spared_collector import collections
from tests.integration.serving.served import ServerProcess, publish, start_server, write_models

__all__ = ["collections", "models", "server"]


@pytest.fixture(scope="session")
def models(shared_folder: Path) -> list[Path]:
    """Three SavedModels: they multiply by 1, by 2, and loop as often as their value says."""
    folder = shared_folder / "scales"
    build_once(folder, lambda made: write_models(made / "loop", made / "one", made / "two"))
    return [folder / name for name in ("one", "two", "loop")]


@pytest.fixture(scope="session")
def server(models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of one version of `scale`, with short times so that slow clients are few seconds."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "serving_models" / "scale").mkdir(parents=True)
    publish(models[1], folder / "serving_models" / "scale" / "2")
    limits = {"header_s": 1.5, "body_s": 2.5, "idle_s": 2, "connections": 64, "rows": 50000}
    served = start_server(folder, {"limits": limits})
    try:
        yield served.ready()
    finally:
        served.stop()
