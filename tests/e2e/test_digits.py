"""The digits config on a few of its images, run, asked by REST, and asked on the command line."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.decoys import write_decoys
from tests.e2e.conftest import Workplace, run_small, variants_of
from tests.fixtures.pictures import bomb
from tests.integration.serving.served import ServerProcess

_A_DIGIT = 40
_SMALL = (
    variants_of(int8="savedmodel_int8", tflite_full_int8="tflite_int8_full", onnx="onnx_float32"),
    "training.epochs=12",
    "evaluation.bounds={accuracy: {min: 0.3}}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the config has been run."""
    from examples.digits.images import write_digits

    folder = write_decoys(tmp_path_factory.mktemp("digits"))
    whole = tmp_path_factory.mktemp("whole") / "digits"
    write_digits(whole)
    for digit in range(10):
        (folder / f"data/digits/{digit}").mkdir(parents=True)
        for path in sorted((whole / str(digit)).iterdir())[:_A_DIGIT]:
            shutil.copy(path, folder / f"data/digits/{digit}" / path.name)
    return run_small(folder, "digits", *_SMALL)


def images(folder: Path) -> list[Path]:
    return sorted((folder / "data/digits").glob("[0-9]/*.png"))[::40]


def peak_mib(folder: Path) -> float:
    """The most memory that the processes that work in a folder have had."""
    peaks = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder.resolve():
                status = (process / "status").read_text()
                peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)
        except OSError:  # it has ended
            continue
    assert len(peaks) > 1, "the server and the program that stands for it"
    return sum(peaks)


def ask(server: ServerProcess, name: str, *contents: bytes) -> tuple[int, Any]:
    rows = [{"image": {"b64": base64.b64encode(content).decode()}} for content in contents]
    body = json.dumps({"instances": rows}).encode()
    status, answer = server.get(f"/v1/models/{name}:predict", body)
    return status, answer


def test_it_is_blessed_and_each_variant_is_pushed(folder: Path) -> None:
    summary = json.loads((folder / "runs/digits/latest/summary.json").read_text())
    assert summary["blessed"], summary["reasons"]
    assert {entry["name"]: entry["status"] for entry in summary["variants"]} == {
        "float32": "blessed",
        "int8": "blessed",
        "tflite_full_int8": "blessed",
        "onnx": "blessed",
    }
    report = (folder / "runs/digits/latest/report.html").read_text()
    assert len(report) < 8e6
    assert "\\x89PNG" not in report
    assert report.count("data:image/png;base64,") > 60
    for shown in ("Mean brightness", "Example errors", "Label errors", "image_noise"):
        assert shown in report


def test_an_image_is_explained_by_its_parts(folder: Path) -> None:
    path = images(folder)[0]
    row = json.dumps({"image": str(path)})
    model = "serving_models/digits/1"
    printed = Workplace(folder).printed("explain", model, "--row", row, "--html", "page.html")
    assert "What each part of image adds" in printed
    page = (folder / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 1
    assert 'class="heat"' in page


def test_an_image_by_rest_is_answered_as_in_process(folder: Path, server: ServerProcess) -> None:
    import tensorflow as tf

    contents = [path.read_bytes() for path in images(folder)]
    model = tf.saved_model.load(str(folder / "serving_models/digits/1"))
    expected = model.signatures["serving_default"](image=tf.constant(contents))
    status, answer = ask(server, "digits", *contents)
    assert status == 200, answer
    probabilities = [row["probabilities"] for row in answer["predictions"]]
    np.testing.assert_allclose(probabilities, expected["probabilities"], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "atol"),
    [("digits-onnx", 1e-4), ("digits-int8", 0.3), ("digits-tflite_full_int8", 0.3)],
)
def test_a_variant_takes_the_same_raw_image(
    folder: Path, server: ServerProcess, name: str, atol: float
) -> None:
    contents = [path.read_bytes() for path in images(folder)]
    _, expected = ask(server, "digits", *contents)
    status, answer = ask(server, name, *contents)
    assert status == 200, answer
    for ours, theirs in zip(answer["predictions"], expected["predictions"], strict=True):
        np.testing.assert_allclose(ours["probabilities"], theirs["probabilities"], atol=atol)


@pytest.mark.parametrize("name", ["digits", "digits-int8", "digits-onnx"])
def test_an_image_that_cannot_be_decoded_is_a_400_that_names_its_column(
    folder: Path, server: ServerProcess, name: str
) -> None:
    whole = images(folder)[0].read_bytes()
    assert ask(server, name, whole)[0] == 200
    before = peak_mib(folder)
    for content, what in ((bomb(60_000, 60_000), "60,000 x 60,000"), (whole[:80], "decoded")):
        status, answer = ask(server, name, whole, content)
        assert status == 400
        assert what in answer["error"]
        assert "'image'" in answer["error"]
    assert ask(server, name, whole)[0] == 200
    assert peak_mib(folder) < before + 200


def test_a_folder_of_images_is_predicted(folder: Path) -> None:
    place = Workplace(folder)
    tables = []
    for model in ("serving_models/digits/1", "artifacts/digits/1/onnx"):
        place.printed(
            "predict", model, "--data", "data/digits", "--keep", "path", "--out", "out.csv"
        )
        with (folder / "out.csv").open() as file:
            tables.append(list(csv.DictReader(file)))
    assert len(tables[0]) == 10 * _A_DIGIT
    assert [row["path"] for row in tables[0]] == [row["path"] for row in tables[1]]
    assert [row["classes"] for row in tables[0]] == [row["classes"] for row in tables[1]]
    right = [row["path"].startswith(f"{row['classes']}/") for row in tables[0]]
    assert np.mean(right) > 0.5
