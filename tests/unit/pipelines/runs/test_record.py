"""A run writes down what it takes to repeat it."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.config.problem import KelpConfig, config_digest, load_config
from pipelines.runs.record import machine, record

CONFIG = """\
name: demo   # with a comment
task: binary
label: {name: y}
features: {x: {type: numeric}}
data: {path: data.csv}
"""


def test_the_resolved_config_comes_back_with_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(CONFIG)
    loaded = load_config(path, ["seed=4", "training.epochs=2"])
    folder = tmp_path / "run"
    folder.mkdir()
    record(loaded, folder)
    content = json.loads((folder / "config.json").read_text())
    assert content["training"]["epochs"] == 2
    assert config_digest(KelpConfig.model_validate(content)) == loaded.digest
    assert (folder / "config.yaml").read_text() == CONFIG
    assert not (folder / "schema.pbtxt").exists()


def test_a_frozen_schema_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(CONFIG)
    (tmp_path / "demo.schema.pbtxt").write_text("feature {}")
    record(load_config(path), tmp_path)
    assert (tmp_path / "schema.pbtxt").read_text() == "feature {}"


def test_the_machine_is_reported(tmp_path: Path) -> None:
    result = machine()
    assert result["cpus"] >= 1
    assert result["architecture"]
    assert isinstance(result["processor"], str)
