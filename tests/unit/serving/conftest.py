"""What all tests of the server share."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from serving.versions import loading


@pytest.fixture(autouse=True)
def collections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the garbage collector when versions were loaded and unloaded.

    A whole collection goes over what the tests have imported, TensorFlow too: a second each.
    """
    asked: list[str] = []
    names = ("freeze", "unfreeze", "collect")
    collector = {name: lambda name=name: asked.append(name) for name in names}
    monkeypatch.setattr(loading, "gc", SimpleNamespace(**collector))
    return asked
