"""A SavedModel that decodes images, behind our server: what is wrong with one is named."""

import numpy as np
import pytest
import tensorflow as tf

from models.export.input_limits import add_input_limits
from models.features.pixels import PixelForm, decode_images
from models.features.spec import FeaturesSpec
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
