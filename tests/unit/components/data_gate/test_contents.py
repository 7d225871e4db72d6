"""Images and texts in the audit: their own checks, wrong labels, and what the report shows."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from components.data_gate.audit.audit import report_of, run_audit, to_findings
from components.data_gate.audit.contents import check_contents
from components.data_gate.audit.feature_values import check_missing
from components.data_gate.audit.label_errors import check_label_errors
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.scanned import Scanner, most_rows, scanned_contents
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from contracts.results.checked import Part
from models.features.image import ImageSpec
from models.features.numeric import NumericSpec
from models.features.spec import FeaturesSpec
from models.features.text import TextSpec
from tests.content_examples import CLASSES, encode, images, pixels_of, texts

ROWS = {"train": 300, "val": 60, "test": 60}


def pictures(labels_of: Any = lambda labels, rng: labels) -> dict[str, pa.Table]:
    """Splits of pictures, their classes and their files."""
    tables = {}
    for seed, (split, rows) in enumerate(ROWS.items()):
        encoded, labels = images(rows, seed)
        given = labels_of(labels, np.random.default_rng(seed))
        tables[split] = pa.table(
            {
                "photo": pa.array(encoded, pa.binary()),
                "shape": pa.array([CLASSES[label] for label in given]),
                "path": pa.array([f"{split}/{row}.png" for row in range(rows)]),
            }
        )
    return tables


def notes(flipped: float = 0.0) -> tuple[dict[str, pa.Table], int]:
    """Splits of texts, their classes and a number that says nothing; how many are flipped."""
    rng, tables, wrong = np.random.default_rng(9), {}, 0
    for seed, rows in enumerate((1600, 200, 200)):
        written, labels = texts(rows, seed)
        is_wrong = rng.random(rows) < flipped
        wrong += int(is_wrong.sum())
        tables[list(ROWS)[seed]] = pa.table(
            {
                "review": pa.array(written),
                "length": pa.array(rng.normal(size=rows).astype(np.float32)),
                "good": pa.array(np.where(is_wrong, 1 - labels, labels)),
            }
        )
    return tables, wrong


def photo_problem(**features: Any) -> FeaturesSpec:
    photo = ImageSpec(height=28, width=28)
    return FeaturesSpec(
        task="multiclass",
        label={"name": "shape", "classes": CLASSES},
        features={"photo": photo, **features},
    )


def review_problem(**features: Any) -> FeaturesSpec:
    of_review = {"review": TextSpec(), **features}
    return FeaturesSpec(task="binary", label={"name": "good"}, features=of_review)


def audit_data(tables: Any, problem: FeaturesSpec, **spec: Any) -> AuditData:
    return AuditData(tables, problem, AuditSpec.model_validate(spec), SplitSpec())


def replaced(table: pa.Table, name: str, values: dict[int, Any]) -> pa.Table:
    """The table with other values in some rows of a column."""
    column = table[name].to_pylist()
    for row, value in values.items():
        column[row] = value
    place = table.column_names.index(name)
    return table.set_column(place, name, pa.array(column, table[name].type))


def reported(part: Part) -> dict[str, str]:
    """By check, what its findings say."""
    found: dict[str, str] = {}
    for finding in to_findings(part):
        found[finding.check] = found.get(finding.check, "") + finding.what
    return found


def test_faults_planted_in_images_are_found_by_name() -> None:
    tables, rng = pictures(), np.random.default_rng(7)
    crosses = np.flatnonzero(np.array(tables["train"]["shape"].to_pylist()) == "cross")
    marked = {}
    for row in crosses:
        pixels = pixels_of(CLASSES.index("cross"), rng)
        pixels[25:, 22:] = 120
        marked[int(row)] = encode(pixels)
    tables["train"] = replaced(tables["train"], "photo", marked)
    whole = encode(pixels_of(0, rng), "JPEG")
    tables["val"] = replaced(tables["val"], "photo", {4: whole[: len(whole) // 2]})
    original = Image.open(io.BytesIO(tables["train"]["photo"][11].as_py()))
    near = encode(np.asarray(original), "JPEG", quality=70)
    tables["test"] = replaced(tables["test"], "photo", {20: near})
    part = run_audit(audit_data(tables, photo_problem()))
    first = to_findings(part)[0]
    assert (first.severity, first.feature, first.check) == ("block", "photo", "images.unreadable")
    assert "row 5 of split val (val/4.png)" in first.what
    assert "cut short" in first.what
    found = reported(part)
    assert "row 21 of split test (test/20.png)" in found["images.near"]
    assert "row 12 of split train (train/11.png)" in found["images.near"]
    assert "shape = cross" in found["images.border"]
    assert "bottom right" in found["images.border"]


def test_rows_of_a_table_of_paths_are_named_with_their_files() -> None:
    tables = {
        split: table.rename_columns(["photo", "shape", "photo_path"])
        for split, table in pictures().items()
    }
    data = audit_data(tables, photo_problem())
    assert data.name_row("val", 4) == "row 5 of split val (val/4.png)"
    unknown = pa.nulls(ROWS["val"], pa.string())
    tables["val"] = tables["val"].set_column(2, "photo_path", unknown)
    assert audit_data(tables, photo_problem()).name_row("val", 4) == "row 5 of split val"


def test_faults_planted_in_texts_are_found_by_name() -> None:
    tables, _ = notes()
    words = tables["train"]["review"].to_pylist()
    good = np.flatnonzero(tables["train"]["good"].to_numpy() == 1)
    leaking = {int(row): f"{words[row]} refund" for row in good[::3]}
    tables["train"] = replaced(tables["train"], "review", leaking)
    copy = " ".join([*words[30].split()[:-1], "otherwise"])
    tables["val"] = replaced(tables["val"], "review", {9: copy, 3: "", 4: None, 5: "..."})
    unknown = {row: f"<br /> {words[row]} Zeitgeist" for row in range(100, 200)}
    tables["test"] = replaced(tables["test"], "review", unknown)
    bounds = {"near": {"max_share": 0.0}, "unknown": {"max_share": 0.02}}
    review = TextSpec(markup="keep")
    part = run_audit(audit_data(tables, review_problem(review=review), texts=bounds))
    found = reported(part)
    assert found["texts.empty"].startswith("'review': 3 of 200 texts of split val have no word")
    assert "row 4 of split val, row 5 of split val, row 6 of split val" in found["texts.empty"]
    assert "row 10 of split val" in found["texts.near"]
    assert "row 31 of split train" in found["texts.near"]
    assert "100 of 200 texts of split test have tags" in found["texts.markup"]
    assert "The token 'refund' alone gives away good = 1" in found["texts.token"]
    assert "'zeitgeist'" in found["texts.unknown"]


def test_clean_images_and_texts_have_no_finding() -> None:
    tables, _ = notes()
    for data in (audit_data(pictures(), photo_problem()), audit_data(tables, review_problem())):
        part = check_contents(data)
        assert part.checks
        assert to_findings(part) == []


def test_what_the_report_shows_of_images_is_in_the_audit() -> None:
    audit = report_of(run_audit(audit_data(pictures(), photo_problem())))
    assert audit.details.contents is not None
    shown = audit.details.contents["photo"]
    assert shown.kind == "images"
    assert shown.statistics["val"]["images"] == 60
    assert [sample.label for sample in shown.samples] == [
        name for name in CLASSES for _ in range(6)
    ]
    assert all(sample.view.png for sample in shown.samples)
    assert len(audit.model_dump_json()) < 200_000


def test_wrong_labels_of_images_are_estimated_and_shown() -> None:
    share = 0.15

    def some_wrong(labels: Any, rng: np.random.Generator) -> Any:
        return np.where(rng.random(len(labels)) < share, (labels + 1) % 3, labels)

    tables = pictures(some_wrong)
    found = check_label_errors(audit_data(tables, photo_problem())).details["label_errors"]
    assert found["share"] == pytest.approx(share, abs=0.06)
    suspect = found["suspects"][0]
    assert suspect["label"] != suspect["expected"]
    assert suspect["views"]["photo"]["png"]
    for one in found["suspects"]:
        assert one["files"] == [f"{one['split']}/{one['row']}.png"]


@pytest.mark.parametrize("mixed", [False, True])
def test_wrong_labels_of_texts_are_estimated(mixed: bool) -> None:
    tables, wrong = notes(0.1)
    problem = review_problem(**({"length": NumericSpec()} if mixed else {}))
    found = check_label_errors(audit_data(tables, problem)).details["label_errors"]
    assert found["share"] == pytest.approx(wrong / 2000, abs=0.04)
    assert found["suspects"][0]["views"]["review"]["text"]
    assert found["suspects"][0]["values"].keys() == ({"length"} if mixed else set())


def test_a_regression_of_texts_predicts_numbers() -> None:
    tables, _ = notes()
    far = {split: table["good"].to_numpy().astype(np.float32) for split, table in tables.items()}
    far["train"][3] = 1000.0
    rows = {
        split: pa.table({"review": table["review"], "price": pa.array(far[split])})
        for split, table in tables.items()
    }
    problem = FeaturesSpec(
        task="regression", label={"name": "price"}, features={"review": TextSpec()}
    )
    part = run_audit(audit_data(rows, problem))
    first = part.details["label_errors"]["suspects"][0]
    assert (first["row"], first["split"], first["label"]) == (3, "train", 1000.0)
    assert {sample["label"] for sample in part.details["contents"]["review"]["samples"]} == {""}


def test_of_many_texts_a_sample_is_looked_at() -> None:
    tables, _ = notes()
    part = check_contents(audit_data(tables, review_problem(), texts={"rows": 500}))
    (empty,) = [
        check for check in part.checks if (check.check, check.split) == ("texts.empty", "train")
    ]
    assert "of 400 texts" in empty.what


def test_tables_keep_digests_in_place_of_images() -> None:
    tables, problem = pictures(), photo_problem()
    contents = scanned_contents(problem)
    scanner = Scanner(contents)
    half = [scanner.scan("val", tables["val"].slice(start, 30)) for start in (0, 30)]
    again = scanner.scan("test", tables["val"].slice(0, 1))
    digests = pa.concat_tables(half)["photo"]
    assert pa.types.is_integer(digests.type)
    assert len(digests.unique()) == 60
    assert again["photo"][0] == digests[0]
    facts = scanner.facts()["photo"]
    assert (len(facts["val"]), len(facts["test"])) == (60, 1)
    missing = pa.table({"photo": pa.array([None], pa.binary())})
    assert scanner.scan("test", missing)["photo"].null_count == 1
    assert most_rows(contents, AuditSpec()) == 20_000
    assert most_rows({}, AuditSpec()) == 1_000_000


def test_missing_images_are_counted_as_missing_values() -> None:
    tables = pictures()
    gone = pa.array([None] * 60, pa.binary())
    tables["test"] = tables["test"].set_column(0, "photo", gone)
    (missing,) = check_missing(audit_data(tables, photo_problem())).checks
    assert (missing.feature, missing.split, missing.figure) == ("photo", "test", 1.0)
    assert missing.outcome == "warn"


def test_tables_of_scalars_have_no_contents() -> None:
    assert check_contents(audit_data({}, review_problem())).checks == []
