"""The cache key's third part: source reachable by import, and no other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from components import source_digest as module
from components.source_digest import reachable, source_digest


def test_follows_imports_and_stays_in_the_house() -> None:
    found = reachable(["models.training.config"])
    assert {"models.training.config", "models.features.spec", "contracts.spec", "models"} <= set(
        found
    )
    assert all(name.split(".")[0] in module.PACKAGES for name in found)


def test_a_network_is_in_the_trainers_reach_and_not_in_transforms() -> None:
    assert "models.networks.mlp" in reachable(["models.training.train"])
    assert "models.networks.mlp" not in reachable(["models.features.preprocessing"])
    assert "models.networks.mlp" not in reachable(["components.example_gen.component"])


def test_what_is_imported_by_a_path_in_a_text_is_in_reach() -> None:
    assert "models.compression.formats.onnx" in reachable(["components.compressor.component"])
    assert "models.compression.techniques.pruning" in reachable(["components.weights.component"])
    assert "models.tasks.binary" in reachable(["models.training.train"])


def test_function_level_and_relative_imports_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "digestable"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("def f():\n    from . import b\n    return b\n")
    (package / "b.py").write_text("from .c import x\n")
    (package / "c.py").write_text("x = 1\n")
    (package / "unrelated.py").write_text("y = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "PACKAGES", ("digestable",))
    module._module_file.cache_clear()
    assert set(reachable(["digestable.a"])) == {
        "digestable",
        "digestable.a",
        "digestable.b",
        "digestable.c",
    }
    before = source_digest("digestable.a")
    (package / "unrelated.py").write_text("y = 2\n")
    assert source_digest("digestable.a") == before
    (package / "c.py").write_text("x = 2\n")
    assert source_digest("digestable.a") != before
    sys.modules.pop("digestable", None)
    module._module_file.cache_clear()


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"models\.nothing"):
        source_digest("models.nothing")
