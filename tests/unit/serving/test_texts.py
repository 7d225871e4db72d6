"""Texts by REST: each form of one network answers them as in process, and refuses the same."""

from __future__ import annotations

import base64
import json

import pytest
import tensorflow as tf

from models.export.input_limits import add_input_limits
from models.features.spec import FeaturesSpec
from serving.codec.answers import encode_rows
from serving.codec.requests import Decoder
from serving.errors import ServingError
from serving.saved_model import SavedModelServable

PROBLEM = FeaturesSpec.model_validate(
    {
        "task": "binary",
        "label": {"name": "y"},
        "features": {"my review": {"type": "text", "max_bytes": 100}},
    }
)


@pytest.fixture(scope="module")
def servable(tmp_path_factory):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="my_review")])
    def serve(my_review):
        return {"lengths": tf.strings.length(my_review, unit="UTF8_CHAR")}

    module = tf.Module()
    add_input_limits(module, PROBLEM)
    folder = tmp_path_factory.mktemp("texts") / "1"
    tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})
    return SavedModelServable(folder)


def _answer(servable, body):
    request = Decoder(servable.signatures, rows=100, depth=20).decode(body)
    return json.loads(encode_rows(servable.run("serving_default", request.inputs)))


def _body(*values):
    return json.dumps({"instances": [{"my_review": value} for value in values]}).encode()


def test_texts_are_answered(servable):
    answer = _answer(servable, _body("good", "", "délicieux 👍", "é" * 50))
    assert answer == {"predictions": [4, 0, 11, 50]}


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (_body("good", "x" * 101), "too long .*row 2; expected at most 100 bytes; received 101"),
        (_body("good", "x" * 2**20), "too long .*received 1,048,576"),
        (_body("good", {"b64": base64.b64encode(b"go\xffd").decode()}), "not UTF-8 .*at 2"),
        (_body("good").replace(b"oo", b"\xff\xfe"), 'invalid UTF-8 in the value of "my_review"'),
    ],
)
def test_what_is_no_text_or_too_long_is_a_400_that_names_its_column(servable, body, what):
    with pytest.raises(ServingError, match=what) as caught:
        _answer(servable, body)
    assert caught.value.status == 400
    assert "my_review" in str(caught.value)


def test_many_quotes_before_what_is_not_utf8_cost_no_time(servable):
    body = _body("good").replace(b"good", b'\\"' * 400_000 + b"\xff")
    with pytest.raises(ServingError, match='invalid UTF-8 in the value of "my_review"'):
        _answer(servable, body)
