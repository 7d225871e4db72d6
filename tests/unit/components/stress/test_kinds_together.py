"""An image, a text, a window and a number in one network: ranked, stressed and explained."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components.stress.assess import assess
from components.stress.config import StressJob
from contracts.errors import DataError
from models.compression.runtimes import open_predictor
from models.data.representation import dense_schema
from models.encoders.windows.encoding import window_port
from models.encoders.windows.linear import LinearEncoder
from models.export.explanation import integrated_gradients
from models.export.loaded_model import LoadedModel, load_model
from models.export.saved_model import Serving, export
from models.features.pixels import PixelForm, decode_images
from models.features.spec import FeaturesSpec
from models.networks import InputSpec, OutputSpec, build_network
from models.networks.spec import MlpSpec, TransformerSpec
from pipelines.commands.explain import explain_row, to_json
from pipelines.prediction.parts import weighed_views
from tests.content_examples import encode

ROWS, STEPS, SIDE, LENGTH = 240, 4, 8, 4
PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "y", "classes": ["no", "yes"]},
        "features": {
            "photo": {
                "type": "image",
                "height": SIDE,
                "width": SIDE,
                "channels": 1,
                "encoder": {"kind": "cnn", "filters": [2]},
            },
            "review": {"type": "text", "encoder": {"kind": "average", "dimension": 2}},
            "past": {"type": "window", "steps": STEPS},
            "price": {"type": "numeric"},
        },
    }
)
WORDS = ("good", "bad", "soup", "bread")
JOINED = MlpSpec(units=(8,), batch_norm=False, dropout=0.0)
ATTENTION = TransformerSpec(kind="transformer", width=8, blocks=1, heads=2, units=8)


class Transform(tf.Module):
    """What a transform graph would do, with constants for what it would learn."""

    def __call__(self, raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        pixels = decode_images(raw["photo"][:, 0], PixelForm(SIDE, SIDE, 1, "pad", 1 << 10))
        has = [tf.strings.regex_full_match(raw["review"], f".*{word}.*") for word in WORDS]
        ids = [tf.where(there, place + 2, 0) for place, there in enumerate(has)]
        label = {"y": tf.zeros_like(raw["price"])[:, 0]} if "y" in raw else {}
        return label | {
            "photo": pixels / 255.0,
            "review": tf.cast(tf.concat(ids, axis=1), tf.int64),
            "past": raw["past"][:, :, None],
            "price": raw["price"],
        }


def ports() -> list[InputSpec]:
    """How the features enter the network."""
    lines = [b" padding", b" unknown", *(word.encode() for word in WORDS)]
    learned: Any = SimpleNamespace(lines=lambda asset: lines)
    review = PROBLEM.features["review"].model_copy(update={"length": LENGTH})
    return [
        PROBLEM.features["photo"].value_port("photo", learned),
        review.value_port("review", learned),
        window_port("past", STEPS, LinearEncoder(), (0.0,), (1.0,)),
        InputSpec("price", "dense", 1),
    ]


def rows() -> pa.Table:
    """The label is yes where the text says good and the photo is bright, with a few slips."""
    rng = np.random.default_rng(0)
    bright, good = rng.integers(0, 2, (2, ROWS))
    photos = [encode(np.full((SIDE, SIDE), 40 + 180 * one)) for one in bright]
    texts = [f"{WORDS[1 - one]} {WORDS[rng.integers(2, 4)]}" for one in good]
    past = pa.array(rng.normal(size=(ROWS, STEPS)).tolist(), pa.list_(pa.float32()))
    price = rng.normal(size=ROWS).astype(np.float32)
    answers = np.where(good + bright + rng.normal(0, 0.2, ROWS) > 1.5, "yes", "no")
    return pa.table(
        {"photo": pa.array(photos, pa.binary()), "review": texts, "past": past, "price": price,
         "y": answers}
    )  # fmt: skip


def transformed(table: pa.Table) -> dict[str, tf.Tensor]:
    """What enters the network."""
    raw = {
        "photo": tf.constant(table["photo"].to_pylist())[:, None],
        "review": tf.constant(table["review"].to_pylist())[:, None],
        "past": tf.constant(table["past"].to_pylist()),
        "price": tf.constant(table["price"].to_numpy())[:, None],
    }
    # As one graph: image by image, decoding takes longer than all else here.
    answer: dict[str, tf.Tensor] = tf.function(Transform(), autograph=False)(raw)
    return answer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model that has learned these rows."""
    table = rows()
    features = transformed(table)
    labels = np.array(table["y"].to_pylist()) == "yes"
    keras.utils.set_random_seed(3)
    network = build_network(JOINED, ports(), OutputSpec("binary", 2), keras)
    network.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", jit_compile=False)
    network.fit(features, labels.astype(np.float32), batch_size=40, epochs=15, verbose=0)
    kinds = {"photo": "BYTES", "review": "BYTES", "past": "FLOAT", "price": "FLOAT", "y": "BYTES"}
    schema = schema_pb2.Schema()
    for name, kind in kinds.items():
        schema.feature.add(name=name, type=schema_pb2.FeatureType.Value(kind))
    folder = tmp_path_factory.mktemp("mixed")
    serving = Serving(PROBLEM, dense_schema(schema, PROBLEM), Transform(), network, 0.5)
    export(serving, Path(folder), {name: value[:20] for name, value in features.items()})
    return load_model(Path(folder))


def test_features_of_all_kinds_are_ranked_by_permutation(model: LoadedModel) -> None:
    job = StressJob.model_validate(
        {
            "problem": PROBLEM,
            "importance": {"repeats": 5},
            "resamples": 50,
            "stress": {
                "dark": {"kind": "brightness", "factor": 0.1},
                "cut": {"kind": "truncation"},
                "gone": {"kind": "missing", "share": 0.5},
            },
        }
    )
    result = assess(model, rows(), job)
    ranked = {entry.feature: entry.drop for entry in result.importance}
    assert set(list(ranked)[:2]) == {"review", "photo"}
    assert set(ranked) == set(PROBLEM.features)
    assert min(ranked["photo"].low, ranked["review"].low) > 0
    assert max(ranked["past"].value, ranked["price"].value) < 0.05
    drops = {entry.name: entry.drop.value for entry in result.robustness}
    assert drops["gone"] > 0.05
    assert {entry.name: entry.columns for entry in result.robustness} == {
        "dark": ["photo"],
        "cut": ["review"],
        "gone": ["photo", "review", "past", "price"],
    }


def test_an_error_names_the_file_that_it_came_from(model: LoadedModel) -> None:
    table = rows().slice(0, 20)
    wrong = pa.array(["no" if said == "yes" else "yes" for said in table["y"].to_pylist()])
    paths = pa.array([f"photos/{row}.png" for row in range(20)])
    table = table.set_column(table.column_names.index("y"), "y", wrong)
    table = table.append_column("photo_path", paths).append_column("path", pa.array(range(20)))
    job = StressJob.model_validate({"problem": PROBLEM, "importance": {"enabled": False}})
    errors = assess(model, table, job).errors
    assert len(errors) > 1
    assert [error.files for error in errors] == [[f"photos/{error.row}.png"] for error in errors]


def test_an_image_that_a_saved_model_cannot_decode_is_named(model: LoadedModel) -> None:
    table = rows().slice(0, 3)
    photos = [*table["photo"].to_pylist()[:2], b"no image"]
    table = table.set_column(0, "photo", pa.array(photos, pa.binary()))
    predictor = open_predictor(model.folder)
    for opened, columns in ((model, model.columns(table)), (predictor, predictor.inputs(table))):
        with pytest.raises(DataError, match="column 'photo' holds no image") as caught:
            opened.answers(columns)
        assert caught.value.where == "column photo, row 3"


def test_the_image_of_a_table_is_explained_as_json(model: LoadedModel, tmp_path: Path) -> None:
    pq.write_table(rows().slice(0, 2), tmp_path / "rows.parquet")
    explained = explain_row(str(model.folder), None, tmp_path / "rows.parquet", 1)
    entries = {entry["feature"]: entry for entry in json.loads(to_json(explained))["attributions"]}
    size = len(rows()["photo"][1].as_py())
    assert entries["photo"]["value"] == f"{size:,} bytes"
    assert explained.views["photo"].png


def test_one_row_is_explained_by_its_features_and_their_parts(model: LoadedModel) -> None:
    table = rows()
    place = table["y"].to_pylist().index("yes")
    row = model.columns(table.slice(place, 1))
    found = integrated_gradients(model, model.encode(row)[0])
    ranked = sorted(found.by_feature, key=lambda name: -abs(found.by_feature[name]))
    assert set(ranked[:2]) == {"photo", "review"}
    views = weighed_views(model, row, None)
    assert views["photo"].heat is not None
    parts = views["review"].parts
    assert parts is not None
    weights = {part.text.strip(): part.weight for part in parts}
    assert weights["good"] > abs(next(weights[word] for word in WORDS[2:] if word in weights))


def test_features_of_all_kinds_are_joined_by_attention() -> None:
    network = build_network(ATTENTION, ports(), OutputSpec("binary", 2), keras)
    assert network.get_layer("tokens").output.shape == (None, len(PROBLEM.features), 8)
    answers = network(transformed(rows().slice(0, 5)))
    assert answers.shape == (5, 1)
    assert len(set(answers.numpy()[:, 0])) > 1
