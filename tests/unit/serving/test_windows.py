"""Windows by REST: each form of one network answers raw lists as the network itself does."""

from __future__ import annotations

import json

import numpy as np
import pytest

from serving.codec.answers import encode_rows
from serving.codec.requests import Decoder
from serving.errors import ServingError
from serving.servable import load_servable
from tests.fixtures import small_windows

ROW = {
    "the_load_past": [1, 2, float("nan"), 4, 5, 6],
    "wind_past": [1.5] * 6,
    "wind_future": [2.0, float("nan"), 3.0],
    "a": 1.0,
}


@pytest.fixture(scope="module")
def net():
    return small_windows.network()


@pytest.fixture(scope="module", params=["savedmodel", "tflite", "onnx"])
def servable(request, net, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param) / "1"
    if request.param == "savedmodel":
        return load_servable(small_windows.write(folder, net))
    return load_servable(small_windows.write_file(folder, net, request.param))


def _answer(servable, content):
    body = json.dumps(content).encode()
    request = Decoder(servable.signatures, rows=100, depth=20).decode(body)
    return json.loads(encode_rows(servable.run("serving_default", request.inputs)))


def test_windows_of_a_body_are_answered_as_in_process(servable, net):
    given = small_windows.rows(20)
    instances = [
        {name: values[row].tolist() for name, values in given.items()} for row in range(20)
    ]
    answer = _answer(servable, {"instances": instances})
    raw = {
        column: given[column.replace(" ", "_")].reshape(20, -1) for column in small_windows.COLUMNS
    }
    wanted = net(small_windows.Transform()(raw), training=False).numpy()[:, 0]
    np.testing.assert_allclose(answer["predictions"], wanted, atol=1e-5)


@pytest.mark.parametrize("form", ["instances", "inputs"])
@pytest.mark.parametrize(
    "wrong", [[1.0] * 5, [1.0] * 7, [], 1.0, [[1.0] * 6], ["a"] * 6, [None] * 6]
)
def test_a_window_of_another_length_is_a_400_with_the_columns_name(servable, form, wrong):
    row = ROW | {"wind_past": wrong}
    content = [ROW, row] if form == "instances" else {name: [row[name]] for name in row}
    with pytest.raises(ServingError, match="wind_past") as caught:
        _answer(servable, {form: content})
    assert caught.value.status == 400
