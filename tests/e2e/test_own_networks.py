"""The page on networks of one's own: its code, run as it stands, pushed and asked by REST.

Data, runs and models are in a bucket, so that one whole run has them there.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contracts.storage.folders import list_published
from contracts.storage.location import parse_location
from tests.decoys import write_decoys
from tests.e2e.conftest import REPOSITORY, Workplace
from tests.fixtures.object_store import ObjectStore
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
    "evaluation.baselines={trees: 'off', learning_curve: false}",
    "evaluation.resamples=100",
    "evaluation.found_slices.enabled=false",
    "tracking.enabled=false",
)


@dataclass(frozen=True)
class Place:
    """What the page leaves behind, beside decoys of our packages, and in a bucket."""

    folder: Path
    store: ObjectStore
    bucket: str
    printed: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def staging(self) -> Path:
        return self.folder / "staging"

    def content(self, key: str) -> bytes:
        return self.store.content(self.bucket, key)

    @property
    def run(self) -> str:
        return f"runs/bicycles/{self.content('runs/bicycles/latest').decode()}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, object_store: ObjectStore) -> Iterator[Place]:
    folder = write_decoys(tmp_path_factory.mktemp("bicycles"))
    for name, content in re.findall(r"`([\w.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL):
        (folder / name).write_text(content)
    subprocess.run([sys.executable, "make_data.py"], cwd=folder, check=True)
    bucket, data = object_store.new_bucket(), folder / "bicycles.csv"
    object_store.client().put_object(Bucket=bucket, Key="data/x.csv", Body=data.read_bytes())
    data.unlink()
    there = {"data.path": "data", "runs": "runs", "push.root": "models", "push.artifacts": "files"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.environment.items():
            patch.setenv(name, value)
        patch.setenv("KELP_STAGING", str(folder / "staging"))
        remote = [f"{key}=s3://{bucket}/{below}" for key, below in there.items()]
        done = Workplace(folder).kelp("run", "bicycles.yaml", *_SMALL, *remote)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Place(folder, object_store, bucket, done.stdout + done.stderr)


def test_its_network_is_blessed_and_what_cannot_be_made_is_reported(place: Place) -> None:
    summary = json.loads(place.content(f"{place.run}/summary.json"))
    assert summary["blessed"], summary["reasons"]
    assert summary["candidate"]["metrics"]["roc_auc"] > 0.8
    variants = {entry["name"]: entry for entry in summary["variants"]}
    assert {name: entry["status"] for name, entry in variants.items()} == {
        "float32": "blessed",
        "onnx": "blessed",
        "pruned": "unsupported",
    }
    assert "tf_keras" in variants["pruned"]["reasons"][0]
    recorded = place.content(f"{place.run}/code/wide_and_deep.py")
    assert recorded == (place.folder / "wide_and_deep.py").read_bytes()


def test_artifacts_and_models_are_in_the_bucket_and_nothing_names_this_machine(
    place: Place,
) -> None:
    summary = json.loads(place.content(f"{place.run}/summary.json"))
    artifacts = f"{place.url}/runs/bicycles/artifacts/"
    assert all(folder.startswith(artifacts) for folder in summary["folders"].values())
    assert summary["pushed_to"] == f"{place.url}/models/bicycles/1"
    assert f"summary: {place.url}/{place.run}/summary.json" in place.printed
    pushed = list_published(parse_location(f"{place.url}/models/bicycles"))
    assert pushed == list_published(parse_location(f"{place.url}/files/bicycles")) == ["1"]
    assert str(place.staging).encode() not in place.content(f"{place.run}/summary.json")


def test_no_credential_is_written_anywhere(place: Place) -> None:
    secret = place.store.secret
    assert secret not in place.printed
    for key in place.store.keys(place.bucket):
        assert secret.encode() not in place.content(key), key
    for path in place.folder.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


def test_it_answers_by_rest_as_the_page_asks_it(place: Place) -> None:
    (request,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    roots = {"models_root": f"{place.url}/models", "artifacts": f"{place.url}/files"}
    server = ServerProcess(place.folder, {"workers": 2, **roots}).ready()
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
