"""`kelp predict --url`: a served model takes rows and gives answers as an artifact does."""

import base64
import json

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import EnvironmentProblem, ModelError
from pipelines import cli
from pipelines.commands.predict import RowOptions, predict
from pipelines.prediction.remote import RemotePredictor
from serving.client import Client, ClientOptions
from tests.fixtures.pictures import GRAY, encoded


def _described(dtype, *sizes):
    return {"dtype": dtype, "tensor_shape": {"dim": [{"size": str(size)} for size in sizes]}}


INPUTS = {
    "n": _described("DT_FLOAT", -1),
    "i": _described("DT_INT64", -1),
    "the_text": _described("DT_STRING", -1),
}
OUTPUTS = {"probabilities": _described("DT_FLOAT", -1), "classes": _described("DT_STRING", -1)}


def _server(inputs=INPUTS, outputs=OUTPUTS, seen=None):
    def answer(request):
        if request.url.path.endswith("/metadata"):
            signature = {"serving_default": {"inputs": inputs, "outputs": outputs}}
            result = {"metadata": {"signature_def": {"signature_def": signature}}}
            return httpx.Response(200, json=result)
        columns = json.loads(request.content)["inputs"]
        if seen is not None:
            seen.update(columns)
        rows = len(columns["n"])
        return httpx.Response(
            200, json={"outputs": {"probabilities": [0.25] * rows, "classes": ["yes"] * rows}}
        )

    return answer


def _remote(**server):
    options = ClientOptions(transport=httpx.MockTransport(_server(**server)))
    return RemotePredictor(Client("http://host", "m", options=options))


@pytest.mark.parametrize("form", ["paths.csv", "bytes.parquet", "absent.csv"])
def test_images_of_a_table_go_to_the_server_as_bytes(tmp_path, form):
    image = encoded(GRAY, "PNG")
    (tmp_path / "a.png").write_bytes(image)
    text = "b.png" if form == "absent.csv" else "a.png"
    (tmp_path / form).write_text(f"the text,n\n{text},1\n")
    if form == "bytes.parquet":
        table = pa.table({"the text": pa.array([image], pa.binary()), "n": [1.0]})
        pq.write_table(table, tmp_path / form)
    seen = {}
    predict(_remote(seen=seen), tmp_path / form, None, None, options=RowOptions(allow_missing=True))
    sent = {"b64": base64.b64encode(image).decode()}
    assert seen["the_text"] == ["b.png" if form == "absent.csv" else sent]


def test_raw_rows_go_to_the_server_and_answers_come_in_the_usual_form(tmp_path, capsys):
    data = tmp_path / "rows.csv"
    data.write_text("the text,n,i,other\na,0.1,3,x\n,,,y\n")
    seen = {}
    assert predict(_remote(seen=seen), data, None, None) == []
    assert seen["n"][0] == pytest.approx(0.1)
    assert np.isnan(seen["n"][1])
    assert seen["the_text"] == ["a", ""]
    assert capsys.readouterr().out == "probabilities,classes\n0.25,yes\n0.25,yes\n"


@pytest.mark.parametrize(
    "server",
    [
        {"inputs": {**INPUTS, "image": _described("DT_FLOAT", -1, 28, 28)}},
        {"inputs": {**INPUTS, "flag": _described("DT_BOOL", -1)}},
        {"outputs": {"other": _described("DT_FLOAT", -1)}},
    ],
)
def test_a_model_of_another_kind_is_reported(server):
    with pytest.raises(ModelError, match="no SavedModel of Kelp's"):
        _remote(**server)


def test_a_server_that_is_away_is_reported_in_the_usual_form(monkeypatch):
    from pipelines.commands.serve import asking

    monkeypatch.setattr("time.sleep", lambda seconds: None)
    away = httpx.ConnectError("no route")
    monkeypatch.setattr(
        httpx.HTTPTransport, "handle_request", lambda *_: (_ for _ in ()).throw(away)
    )
    with pytest.raises(EnvironmentProblem, match="cannot be reached"), asking("http://h", "m"):
        raise AssertionError("it opened")


def test_the_command_wants_an_artifact_or_a_server(capsys, tmp_path):
    assert cli.main(["predict", "--data", "rows.csv"]) == 2
    assert "--url" in capsys.readouterr().err
    assert cli.main(["predict", "--url", "http://127.0.0.1:9", "--data", "rows.csv"]) == 1
    assert "which model" in capsys.readouterr().err
