"""Images and texts in the report: shown, explained, and never more than the page can bear."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from contracts.results.preview import Preview
from models.content.images.content import ImageContent
from models.content.texts.content import TextContent
from report.render import render
from report.sections.contents import PICTURE_BYTES, PictureBudget
from report.sections.data import data_of
from report.sources import read_sources
from tests.content_examples import encode
from tests.fixtures.report_contents import with_contents
from tests.fixtures.report_run import Run, full_run


def page_of(run: Run) -> str:
    return render(read_sources(run.folder, run.typed(), run.folders))


def test_samples_statistics_and_errors_are_on_the_page(tmp_path: Path) -> None:
    run = with_contents(full_run(tmp_path))
    page = page_of(run)
    assert page.count('src="data:image/png;base64,') == 6 + 1 + 1
    assert "img-src data:" in page
    assert "Commonest words of train" in page
    assert "<strong>cross</strong> predicted as <strong>bar</strong>" in page
    assert "98 % sure" in page
    assert "cross/&lt;3&gt;.png</span>" in page
    suspect = json.loads((run.folders["data_verdict"] / "audit.json").read_text())
    first = suspect["details"]["label_errors"]["suspects"][0]
    assert f"<td>{first['expected']}</td>" in page
    # Counted from 1, as in all findings.
    assert re.search(rf"<td>{first['split']}</td><td[^>]*>{first['row'] + 1:,}</td>", page)
    assert "<div>bar/&lt;7&gt;.png</div>" in page
    assert 'class="heat"' in page
    assert page.count('<rect x="0" y="0" width="1" height="1" class="for"') == 1
    assert (
        '<span class="against" style="--weight:50%" title="\N{MINUS SIGN}1.0000">not </span>'
        in page
    )
    assert "&lt;good&gt;" in page


def test_it_says_why_the_share_of_wrong_labels_is_unknown(tmp_path: Path) -> None:
    run = full_run(tmp_path)
    file = run.folders["data_verdict"] / "audit.json"
    audit = json.loads(file.read_text())
    audit["details"]["label_errors"] |= {"share": None, "suspects": []}
    (check,) = (check for check in audit["checks"] if check["check"] == "label_errors")
    check |= {"figure": None, "what": "The share of wrong labels is unknown: too few rows."}
    file.write_text(json.dumps(audit))
    shown = read_sources(run.folder, run.typed(), run.folders)
    assert data_of(shown, PictureBudget()).labels.absent == check["what"]


def test_errors_on_numbers_are_no_confusions(tmp_path: Path) -> None:
    run = with_contents(full_run(tmp_path))
    page = page_of(run)
    assert "The commonest confusions first" in page
    file = run.folders["stress"] / "stress.json"
    stress = json.loads(file.read_text())
    stress["errors"][0] |= {"actual": 3.5, "predicted": 7.25, "probability": None}
    file.write_text(json.dumps(stress))
    page = page_of(run)
    assert "The largest errors first" in page
    assert "confusions" not in page


def test_a_run_of_scalars_shows_none_of_it(tmp_path: Path) -> None:
    page = page_of(full_run(tmp_path))
    assert "Example errors" not in page
    assert "data:image/png" not in page


def test_the_page_stays_below_8_mb_however_many_pictures_there_are(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3))
    picture = ImageContent().preview_value(encode(noise)).model_dump(mode="json")
    run = with_contents(full_run(tmp_path))
    file = run.folders["data_verdict"] / "audit.json"
    audit = json.loads(file.read_text())
    (photos,) = (
        shown for shown in audit["details"]["contents"].values() if shown["kind"] == "images"
    )
    sample = {"label": "circle", "row": 0, "split": "train", "view": picture}
    photos["samples"] = [sample] * 120
    audit["details"]["contents"] |= {f"more {place}": photos for place in range(20)}
    for suspect in audit["details"]["label_errors"]["suspects"]:
        suspect["views"] = {f"more {place}": picture for place in range(20)}
    file.write_text(json.dumps(audit))
    page = page_of(run)
    assert PICTURE_BYTES < len(page.encode()) < 8_000_000
    assert "left out: the page has too many pictures" in page
    assert "<strong>cross</strong> predicted as <strong>bar</strong>" in page


@pytest.mark.parametrize(("left", "is_shown"), [(3, False), (4, True)])
def test_a_picture_that_has_no_room_is_left_out(left: int, is_shown: bool) -> None:
    budget = PictureBudget(left)
    view = budget.view(Preview(png="abcd", width=1, height=1))
    assert (view.png == "abcd") is is_shown
    assert bool(view.note) is not is_shown
    assert budget.left == (0 if is_shown else left)


def test_an_excerpt_costs_nothing_of_the_budget() -> None:
    view = TextContent().preview_value("a good one")
    assert PictureBudget(0).view(view) == view
