"""A format of the user's own, as its page has it."""

import re
import sys
from pathlib import Path

from contracts.artifact import read_artifact
from models.compression import parity
from models.user_code import CODE_FOLDER_VARIABLE
from serving.servable import load_servable
from tests.fixtures.toy_variants import convert_to

PAGE = Path(__file__).parents[4] / "docs" / "own-formats.md"


def test_the_format_of_the_page_is_converted_judged_and_served(materials, tmp_path, monkeypatch):
    ((name, code),) = re.findall(r"`([\w.]+)`:\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / name).write_text(code)
    monkeypatch.setenv(CODE_FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    artifacts, golden = materials("binary_text")
    model = tmp_path / "model"
    convert_to("small_onnx:SMALL", artifacts, model)
    artifact = read_artifact(model)
    assert (artifact.format, artifact.runtime) == ("small_onnx:SMALL", "onnx")
    assert b"DynamicQuantizeLinear" in (model / artifact.file).read_bytes()
    report = parity.run({"folder": str(model), "golden": str(golden), "tolerance": 0.1})
    assert 0 < report["max_difference"] <= 0.1
    assert load_servable(model).warm_up() == 0
