"""The page on networks of one's own: its code, run as it stands, pushed and asked by REST."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.decoys import write_decoys
from tests.e2e.conftest import REPOSITORY, Workplace
from tests.integration.serving.served import ServerProcess

PAGE = (REPOSITORY / "docs" / "own-networks.md").read_text(encoding="utf-8")
# All variants of the page take minutes; what stays of them is what the run itself is about.
_VARIANTS = (
    "{float32: {format: savedmodel_float32}, pruned: {weights: pruned}, "
    "onnx: {format: onnx_float32, gates: {max_drop: 1}}}"
)
_SMALL = (
    f"variants={_VARIANTS}",
    "training.epochs=6",
    "evaluation.importance.enabled=false",
    "evaluation.found_slices.enabled=false",
    "tracking.enabled=false",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page leaves behind, beside decoys of our packages."""
    folder = write_decoys(tmp_path_factory.mktemp("bicycles"))
    for name, content in re.findall(r"`([\w.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL):
        (folder / name).write_text(content)
    subprocess.run([sys.executable, "make_data.py"], cwd=folder, check=True)
    done = Workplace(folder).kelp("run", "bicycles.yaml", *_SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_its_network_is_blessed_and_what_cannot_be_made_is_reported(folder: Path) -> None:
    summary = json.loads((folder / "runs/bicycles/latest/summary.json").read_text())
    assert summary["blessed"], summary["reasons"]
    assert summary["candidate"]["metrics"]["roc_auc"] > 0.8
    variants = {entry["name"]: entry for entry in summary["variants"]}
    assert {name: entry["status"] for name, entry in variants.items()} == {
        "float32": "blessed",
        "onnx": "blessed",
        "pruned": "unsupported",
    }
    assert "tf_keras" in variants["pruned"]["reasons"][0]
    recorded = folder / "runs/bicycles/latest/code/wide_and_deep.py"
    assert recorded.read_bytes() == (folder / "wide_and_deep.py").read_bytes()


def test_it_answers_by_rest_as_the_page_asks_it(folder: Path) -> None:
    (request,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    server = ServerProcess(folder, {"workers": 2}).ready()
    try:
        answers = {}
        for name in ("bicycles", "bicycles-onnx"):
            status, answer = server.get(f"/v1/models/{name}:predict", request.encode())
            assert status == 200, answer
            answers[name] = answer["predictions"][0]["probabilities"]
    finally:
        assert server.stop() == 0
    assert answers["bicycles"] == pytest.approx(answers["bicycles-onnx"], abs=1e-5)
    assert 0 < answers["bicycles"] < 1
