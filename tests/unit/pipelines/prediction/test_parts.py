"""Images and texts of one row: where they come from, and how their parts are shown."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from contracts.errors import ConfigError, DataError
from contracts.results.preview import HeatMap, Preview, WeighedPart
from models.export.encoding import EncodedFeature
from pipelines.commands.explained_parts import render_parts
from pipelines.prediction.parts import file_columns, read_contents, weighed_views
from report.explanation import write_explanation
from tests.content_examples import encode

PNG = encode(np.zeros((16, 16)))


class _BrightCorner:
    """Sees one thing: how bright the top left corner of an image is."""

    is_explainable = False
    encoding = SimpleNamespace(
        task="regression",
        inputs={"photo": "photo", "size": "size"},
        features=(
            EncodedFeature("photo", ("photo",), "image", 0, 4, False),
            EncodedFeature("size", ("size",), "numeric", 4, 5, False),
        ),
    )

    def predict(self, columns: Any) -> Any:
        from models.content.images.decode import decode_image

        return np.array(
            [np.asarray(decode_image(image))[:2, :2].mean() for image in columns["photo"]]
        )


def _row(image: bytes) -> dict[str, Any]:
    return {"photo": np.array([image, None], object)[:1], "size": np.ones(1, np.float32)}


def test_the_heat_map_shows_where_the_score_comes_from() -> None:
    pixels = np.zeros((16, 16), np.uint8)
    pixels[:2, :2] = 200
    model: Any = _BrightCorner()
    views = weighed_views(model, _row(encode(pixels)), None)
    assert list(views) == ["photo"]
    heat = views["photo"].heat
    assert heat is not None
    weights = np.array(heat.weights)
    assert weights.shape == (8, 8)
    assert weights[0, 0] == weights.max() > 100
    assert np.count_nonzero(weights) <= 4


def test_what_cannot_be_decoded_is_shown_without_weights() -> None:
    model: Any = _BrightCorner()
    assert weighed_views(model, _row(b"nonsense"), None)["photo"] == Preview(note="no image")


def test_files_are_read_from_paths_and_from_base64(tmp_path: Path) -> None:
    names = file_columns(_BrightCorner.encoding)
    assert names == {"photo": "photo"}
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    coded = {"b64": base64.b64encode(PNG).decode()}
    for value in (str(path), coded, PNG):
        assert read_contents({"photo": value, "size": 1.0}, names) == {"photo": PNG}
    assert read_contents({"photo": None}, names) == {"photo": None}
    assert read_contents({}, names) == {}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("none.png", DataError),
        ("no\0.png", DataError),
        ({"b64": "%"}, ConfigError),
        (3, ConfigError),
    ],
)
def test_a_file_that_cannot_be_read_is_named(value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="photo"):
        read_contents({"photo": value}, {"photo": "photo"})


def test_the_terminal_names_the_strongest_parts(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(width=80)
    parts = [WeighedPart(text="not ", weight=-1.5), WeighedPart(text="[good]", weight=0.5)]
    render_parts("review", Preview(parts=parts, note="the rest is not explained"), console)
    render_parts("photo", Preview(heat=HeatMap(weights=[[1.0, -0.9], [0.0, 0.1]])), console)
    printed = capsys.readouterr().out
    assert "not [good]" in printed
    assert "not -1.500, [good] +0.500" in printed
    assert "review: the rest is not explained" in printed
    assert "++--\n····" in printed


def test_the_page_shows_the_parts(tmp_path: Path) -> None:
    explained = {
        "model": "serving_models/reviews/1",
        "label": "good",
        "prediction": {"classes": "yes", "probabilities": 0.9},
        "explained": "log-odds that good is yes",
        "attributions": [{"feature": "review", "value": "not <b>", "attribution": 1.25}],
        "reference_score": 0.5,
        "score": 1.75,
    }
    parts = [WeighedPart(text="not ", weight=-1.0), WeighedPart(text="<b>", weight=2.0)]
    page = write_explanation(tmp_path / "x.html", explained, {"review": Preview(parts=parts)})
    text = page.read_text()
    assert "log-odds that good is yes" in text
    assert 'class="against"' in text
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert "+1.2500" in text
