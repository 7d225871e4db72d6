"""A format is found by name or by import path, and a mistake in it is refused early."""

from __future__ import annotations

import itertools
import sys

import pytest
from pydantic import ValidationError

from contracts.errors import ConfigError, KelpError, ModelError
from models.compression.formats.table import FORMATS, find_format
from models.compression.spec import VariantSpec, tolerance_of
from models.user_code import CODE_FOLDER_VARIABLE
from pipelines.config.problem import load_config

_NUMBERS = itertools.count()
FORMAT = """
from models.compression.formats import Format
from {name}_helpers import small


def write(precision, opened, folder): ...

SMALL: Format = Format("small files", ".onnx", "onnx", "{name}:write", {{"int8": small}})
TWO = Format("two", ".onnx", "onnx", "{name}:write", {{"int8": 0.1, "int4": 0.3}})
LOST = Format("lost", ".onnx", "onnx", "{name}:wirte", {{"int8": 0.1}})
other = 3
"""
CONFIG = """
name: toy
task: binary
label: {{name: y}}
features: {{x: {{type: numeric}}}}
data: {{path: toy.csv}}
variants:
  float32: {{format: savedmodel_float32}}
  small: {{format: "{name}:SMALL"}}
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module with formats, beside a config that names one of them."""
    monkeypatch.setenv(CODE_FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"users_format_{next(_NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(FORMAT.format(name=name))
    (tmp_path / f"{name}_helpers.py").write_text("small = 0.1\n")
    (tmp_path / "toy.yaml").write_text(CONFIG.format(name=name))
    return name


@pytest.mark.parametrize("name", FORMATS)
def test_each_of_ours_is_found_with_each_precision(name):
    for precision in FORMATS[name].tolerances:
        assert find_format(f"{name}_{precision}") == (FORMATS[name], precision)


def test_a_users_format_brings_its_runtime_and_tolerance(module):
    row, precision = find_format(f"{module}:SMALL")
    assert (row.kind, row.file, precision) == ("onnx", "model.onnx", "int8")
    weights = {"weights": "none"}
    variant = VariantSpec(name="small", weights=weights, format=f"{module}:SMALL")
    assert tolerance_of(variant) == 0.1


def test_its_source_enters_the_keys_of_its_variant_alone(module, tmp_path):
    def digests(*keys):
        loaded = load_config(tmp_path / "toy.yaml")
        return [source.digest() for source in loaded.user_functions(*keys)]

    before = digests("variants.small")
    assert len(before) == 2
    assert digests("variants.float32") == digests("network") == []
    (tmp_path / f"{module}_helpers.py").write_text("small = 0.1  # as before\n")
    assert not set(before) & set(digests("variants.small"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{name}:other", "is no format"),
        ("{name}:TWO", "has 2 precisions"),
        ("{name}:SMAL", "no function 'SMAL'"),
        ("{name}:LOST", "no function 'wirte'"),
    ],
)
def test_what_is_no_format_is_refused_before_a_run(module, tmp_path, path, message):
    name = path.format(name=module)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(tmp_path / "toy.yaml", [f"variants.small.format='{name}'"])
    assert f"{module}.py" in caught.value.where


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('".tml", "coreml"', "Expected one of tflite, onnx, or None .* Received 'coreml'"),
        ('"", "onnx"', "Invalid extension of a format"),
        ('".onnx", None', "Invalid extension of a format"),
    ],
)
def test_an_unknown_runtime_is_reported_with_the_users_own_line(
    module, tmp_path, arguments, message
):
    line = f'BAD = Format("bad", {arguments}, "{module}:write", {{"int8": 0.1}})\n'
    with (tmp_path / f"{module}.py").open("a") as file:
        file.write(line)
    with pytest.raises(ModelError, match=message) as caught:
        find_format(f"{module}:BAD")
    assert f"{module}.py, line 12, in <module>: {line.strip()}" in caught.value.where
    assert len(caught.value.lines()) <= 10


def test_an_unknown_name_is_a_finding_of_its_key(tmp_path):
    config = CONFIG.format(name="no").replace('"no:SMALL"', "tflite_float61")
    (tmp_path / "toy.yaml").write_text(config)
    with pytest.raises(KelpError, match="did you mean 'tflite_float16'") as caught:
        load_config(tmp_path / "toy.yaml")
    assert "variants.small" in caught.value.where
    assert "package.module:NAME" in str(caught.value)
    with pytest.raises(ValidationError, match="unknown format"):
        VariantSpec(name="one", weights={"weights": "none"}, format="coreml_float32")
