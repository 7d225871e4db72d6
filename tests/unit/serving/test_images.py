"""A SavedModel that decodes images, behind our server: what is wrong with one is named."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from contracts.artifact import Artifact
from contracts.runtimes import RUNTIMES, Loaded
from models.export.input_limits import add_input_limits
from models.features.image import ImageSpec
from models.features.pixels import PixelForm, decode_images
from models.features.spec import FeaturesSpec
from serving.artifact import ArtifactServable
from serving.errors import ServingError
from serving.saved_model import SavedModelServable
from tests.fixtures.pictures import GRAY, bomb, encoded

PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "y"},
        "features": {"my photo": {"type": "image", "height": 20, "width": 30, "channels": 1}},
    }
)


@pytest.fixture(scope="module")
def servable(tmp_path_factory: pytest.TempPathFactory) -> SavedModelServable:
    form = PixelForm(20, 30, 1, "pad", 1 << 26)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="my_photo")], autograph=False
    )
    def serve(my_photo: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"means": tf.reduce_mean(decode_images(my_photo, form), axis=[1, 2, 3])}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
    )
    def parse(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        column = tf.io.FixedLenFeature([], tf.string)
        return serve(tf.io.parse_example(examples, {"photo": column})["photo"])

    module = tf.Module()
    add_input_limits(module, PROBLEM)
    folder = tmp_path_factory.mktemp("photos") / "1"
    signatures = {"serving_default": serve, "examples": parse}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return SavedModelServable(folder)


def column(*contents: bytes) -> dict[str, np.ndarray]:
    return {"my_photo": np.array([*contents, None], object)[:-1]}


def test_images_are_answered(servable: SavedModelServable) -> None:
    answer = servable.run("serving_default", column(encoded(GRAY, "PNG"), b""))
    np.testing.assert_allclose(answer["means"], [GRAY.mean(), 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (bomb(60_000, 60_000), "60,000 x 60,000 pixels"),
        (encoded(GRAY, "PNG")[:200], "cannot be decoded"),
        (b"no image", "holds no image"),
    ],
)
def test_an_image_that_cannot_be_decoded_is_a_400_that_names_its_column_and_row(
    servable: SavedModelServable, content: bytes, what: str
) -> None:
    with pytest.raises(ServingError, match=what) as caught:
        servable.run("serving_default", column(encoded(GRAY, "PNG"), content))
    assert caught.value.status == 400
    assert "column 'my_photo'" in str(caught.value)
    assert "row 2" in str(caught.value)


def test_an_image_in_an_example_that_cannot_be_decoded_is_a_400(
    servable: SavedModelServable,
) -> None:
    example = tf.train.Example()
    example.features.feature["photo"].bytes_list.value.append(b"no image")
    examples = np.array([example.SerializeToString(), None], object)[:-1]
    with pytest.raises(ServingError) as caught:
        servable.run("examples", {"examples": examples})
    assert caught.value.status == 400


def test_many_images_are_decoded_a_few_at_once(
    servable: SavedModelServable, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    plain = SavedModelServable._plain

    def counted(self: SavedModelServable, name: str, inputs: dict[str, np.ndarray]) -> object:
        sizes.append(len(inputs["my_photo"]))
        return plain(self, name, inputs)

    monkeypatch.setattr(servable, "_packed", {})
    monkeypatch.setattr(SavedModelServable, "_plain", counted)
    photos = column(*[b""] * 130, encoded(GRAY, "PNG"))
    answer = servable.run("serving_default", photos)
    assert sizes == [64, 64, 3]
    np.testing.assert_allclose(answer["means"], [0] * 130 + [GRAY.mean()], rtol=1e-6)
    with pytest.raises(ServingError, match="row 132"):
        servable.run("serving_default", column(*photos["my_photo"], b"no image"))


class MeanOfPixels:
    """A runtime whose file gives the mean of an image's pixels, and counts what it is given."""

    title = "Mean"

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def load(self, content: bytes) -> Loaded:
        def run(tensors: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
            self.sizes.append(len(tensors["photo"]))
            return {"mean": tensors["photo"].mean(axis=(1, 2))}

        return Loaded(frozenset(["photo"]), frozenset(["mean"]), run, steady=True)


def test_a_file_is_given_a_few_large_images_at_once_and_never_on_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = MeanOfPixels()
    monkeypatch.setitem(RUNTIMES, "mean", runtime)
    spec = ImageSpec(height=1024, width=1024, channels=1)
    artifact = Artifact.model_validate(
        {
            "format": "mean", "runtime": "mean", "file": "model.mean",
            "sha256": hashlib.sha256(b"model").hexdigest(), "task": "regression", "classes": (),
            "threshold": None, "output": "mean",
            "inputs": [
                {"feature": "my photo", "tensor": "photo", "dtype": "float32",
                 "width": 1 << 20, "shape": spec.shape},
            ],
            "preparation": {
                "features": [
                    {"column": "my photo", "raw": "string", **spec.preparation("my photo", None)}
                ]
            },
        }
    )  # fmt: skip
    (tmp_path / "model.mean").write_bytes(b"model")
    artifact.write(tmp_path)
    servable = ArtifactServable(tmp_path)
    assert servable.steady == ()
    answer = servable.run("serving_default", column(*[b""] * 17, encoded(GRAY, "PNG")))
    assert runtime.sizes == [16, 2]
    assert answer["predictions"].shape == (18,)
    with pytest.raises(ServingError, match="row 18"):
        servable.run("serving_default", column(*[b""] * 17, b"no image"))
