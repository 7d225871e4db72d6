"""kelp init: what it makes of unknown data."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ConfigError, DataError, KelpError
from contracts.names import serving_name
from contracts.yaml import parse
from pipelines.cli import main
from pipelines.commands.init import write_config, yaml_text
from pipelines.config.problem import KelpConfig, load_config
from pipelines.recognition.sizing import size_for

ROWS = 400


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def people(rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(0)
    age = random.normal(40, 10, rows).round(1)
    age[::7] = np.nan
    names = [f"Mr. {number} of the long house" for number in range(rows)]
    return pd.DataFrame(
        {
            "person id": np.arange(rows) + 7,
            "age (years)": age,
            "class": random.choice(["first", "second", 'th"ird', "ü"], rows),
            "ticket": [f"T{number}" for number in random.integers(0, 90, rows)],
            "name": names,
            "seat": [name.replace(" ", "") for name in names],
            "Hour": random.integers(0, 24, rows),
            "flag": random.integers(0, 2, rows),
            "zip_code": random.integers(1000, 1009, rows),
            "area_code": random.integers(0, 80, rows),
            "siblings": random.integers(0, 5, rows),
            "constant": 1,
            "empty": np.nan,
            "when": pd.date_range("2020-01-01", periods=rows, freq="h").astype(str),
            "height": [str(round(x, 3)) if x > 0.1 else "?" for x in random.random(rows)],
            "true": random.choice([True, False], rows),
            "label": random.choice(["no", "yes"], rows, p=[0.3, 0.7]),
            "grade": random.integers(1, 5, rows),
            "price": random.normal(1e5, 1e4, rows),
            "half": 0.5,
        }
    )


def written(label: str, data: str = "people.csv", **options: Any) -> KelpConfig:
    return load_config(write_config("demo", data, label, **options)).config


def types(config: KelpConfig) -> dict[str, str]:
    return {name: spec.type for name, spec in config.features.items()}


def test_texts_become_features_and_names_of_few_words_do_not() -> None:
    table = people()[["age (years)", "class", "name", "label"]]
    table["review"] = [f"{name}, said that the soup was not warm" for name in table["name"]]
    table.to_csv("people.csv", index=False)
    config = written("label")
    assert types(config) == {"age (years)": "numeric", "class": "categorical", "review": "text"}
    assert not config.training.refit
    text = Path("configs/demo.yaml").read_text()
    assert "review: {type: text}        # texts of 13 words, 400 of them distinct" in text
    assert load_config(Path("configs/demo.yaml")).config.features["review"].length == 128


def test_texts_without_blanks_become_features_and_names_of_few_ideographs_do_not() -> None:
    table = people()[["age (years)", "label"]]
    table["name"] = [f"王{chr(0x4E00 + number)}明" for number in range(ROWS)]
    table["review"] = [f"{name}说这家店的汤不够热不会再来了" for name in table["name"]]
    table.to_csv("people.csv", index=False)
    config = written("label")
    assert types(config) == {"age (years)": "numeric", "review": "text"}


def test_texts_of_few_words_become_features_where_they_come_again_or_are_alone() -> None:
    verbs, things = ["turn on", "switch off", "dim"], ["lamp", "fan", "radio", "oven"]
    asked = [f"{verbs[n % 3]} the {things[n % 4]} {n // 12}" for n in range(ROWS)]
    table = people()[["label"]].assign(asked=asked)
    table.to_csv("people.csv", index=False)
    assert types(written("label")) == {"asked": "text"}
    table["flag"] = people()["flag"]
    table.to_csv("people.csv", index=False)
    assert types(written("label", force=True)) == {"flag": "boolean"}
    table["asked"] = [asked[n if n % 5 else 0] for n in range(ROWS)]
    table.to_csv("people.csv", index=False)
    assert types(written("label", force=True)) == {"asked": "text", "flag": "boolean"}


def test_a_column_that_clients_know_by_another_name_says_so() -> None:
    people()[["age (years)", "flag", "label"]].to_csv("people.csv", index=False)
    written("label")
    text = Path("configs/demo.yaml").read_text()
    assert "missing in 14 %; served as age__years_" in text
    assert text.count("served as") == 1


def test_texts_that_are_no_utf_8_become_features_all_the_same() -> None:
    table = pa.Table.from_pandas(people()[["flag", "label"]])
    texts = [b"caf\xe9 number %d is the best one in our town" % n for n in range(ROWS)]
    pq.write_table(table.append_column("review", pa.array(texts)), "people.parquet")
    assert types(written("label", "people.parquet")) == {"flag": "boolean", "review": "text"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([b"caf\xe9", b"bar"], "the label 'kind' is not text in UTF-8"),
        ([["a"], ["b"]], "the label 'kind' is neither a number nor a class"),
    ],
)
def test_a_label_that_is_no_class_is_refused_whatever_it_holds(
    values: list[Any], message: str
) -> None:
    labels = pa.array([values[n % 2] for n in range(ROWS)])
    pq.write_table(pa.table({"flag": list(range(ROWS)), "kind": labels}), "people.parquet")
    with pytest.raises(DataError, match=message):
        write_config("demo", "people.parquet", "kind")


def test_lines_within_a_text_are_no_rows() -> None:
    table = people()[["age (years)", "name", "label"]]
    table["review"] = [f"{name} said:\nthe soup was\nnot warm\n" for name in table["name"]]
    table.to_csv("people.csv", index=False)
    written("label")
    assert f"# For about {ROWS} rows." in Path("configs/demo.yaml").read_text()


def test_roles_of_csv_columns() -> None:
    people().to_csv("people.csv", index=False)
    config = written("label")
    assert types(config) == {
        "age (years)": "numeric",
        "class": "categorical",
        "ticket": "vocabulary",
        "Hour": "cyclic",
        "flag": "boolean",
        "zip_code": "categorical",
        "area_code": "vocabulary",
        "siblings": "numeric",
        "when_weekday": "cyclic",
        "when_hour": "cyclic",
        "height": "numeric",
        "true": "boolean",
        "grade": "numeric",
        "price": "numeric",
    }
    assert config.features["age (years)"].model_dump()["missing_indicator"]
    assert "?" in config.data.null_values
    text = Path("configs/demo.yaml").read_text()
    for result in (
        '"person id": numbers the rows',
        "name: free text of few words",
        "seat: nearly every value is another",
        "constant: has one value only",
        "empty: has no value",
        "when: a date or time",
        "columns: [when]",
    ):
        assert result in text


def test_tasks() -> None:
    people().to_csv("people.csv", index=False)
    binary = written("label")
    assert (binary.task, binary.label.classes) == ("binary", ("no", "yes"))
    assert binary.training.refit
    assert binary.data.split.by == "stratified"
    assert "roc_auc" in binary.evaluation.bounds
    zero_one = written("flag", force=True)
    assert (zero_one.task, zero_one.label.classes) == ("binary", None)
    boolean = written("true", force=True)
    assert (boolean.task, boolean.label.classes) == ("binary", None)
    many = written("grade", force=True)
    assert (many.task, many.label.classes) == ("multiclass", (1, 2, 3, 4))
    assert many.evaluation.bounds["accuracy"].min is not None
    number = written("price", force=True)
    assert (number.task, number.label.classes) == ("regression", None)
    assert number.data.split.by == "row"
    assert number.evaluation.bounds["r2"].min == 0
    assert number.label.scale == "standard"


def test_skewed_numbers_are_scaled_by_rank_and_a_skewed_label_is_learned_by_its_logarithm() -> None:
    draws = np.random.default_rng(7).lognormal(sigma=1.5, size=(2, 300))
    pd.DataFrame({"income": draws[0], "cost": draws[1]}).to_csv("costs.csv", index=False)
    config = written("cost", "costs.csv")
    assert config.label.scale == "log1p"
    assert config.problem().features["income"].model_dump()["scale"] == "quantile"


def test_parquet_has_types_of_its_own() -> None:
    frame = people()[["age (years)", "label"]]
    table = pa.Table.from_pandas(frame).append_column("tags", pa.array([["a"]] * ROWS))
    table = table.append_column("seen", pa.array([datetime(2020, 1, 1)] * (ROWS - 1) + [None]))  # noqa: DTZ001
    table = table.append_column("born", pa.array(pd.date_range("2000-01-01", periods=ROWS)))
    pq.write_table(table, "people.parquet")
    assert types(written("label", "people.parquet")) == {
        "age (years)": "numeric",
        "born_month": "cyclic",
        "born_weekday": "cyclic",
        "born_days": "numeric",
    }
    text = Path("configs/demo.yaml").read_text()
    assert "tags: holds lists or structs" in text
    assert "born: a date or time" in text


def test_spans_are_all_looked_at() -> None:
    for month in (1, 2, 3):
        folder = Path(f"data/span-{month}")
        folder.mkdir(parents=True)
        people(60).assign(month=month, label=["no", "yes", "maybe"][month - 1]).to_parquet(
            folder / "x.parquet"
        )
    config = written("label", "data/span-{SPAN}/*.parquet")
    assert config.label.classes == ("maybe", "no", "yes")
    assert "month" not in config.features  # it tells the label
    assert config.data.path == "data/span-{SPAN}/*.parquet"


def test_labels_beyond_the_sample_count(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = people().assign(label=["a"] * 200 + ["b"] * 150 + ["c"] * 50)
    frame.to_csv("people.csv", index=False)
    monkeypatch.setattr("pipelines.recognition.sample.SAMPLE_ROWS", 100)
    assert written("label").label.classes == ("a", "b", "c")


def test_other_delimiters() -> None:
    people().to_csv("people.csv", index=False, sep=";")
    assert written("label").data.delimiter == ";"


def test_a_column_that_tells_the_label_is_left_out() -> None:
    frame = people()
    frame["copy"] = (frame["label"] == "yes").astype(int)
    frame.to_csv("people.csv", index=False)
    assert "copy" not in written("label").features
    assert "copy: tells the label" in Path("configs/demo.yaml").read_text()


@pytest.mark.parametrize(
    ("labels", "classes"),
    [(["bad", "fine"], ("fine", "bad")), (["1", "2"], (2, 1)), (["a", "b"], ("b", "a"))],
)
def test_the_positive_class_comes_last(labels: list[str], classes: tuple[object, ...]) -> None:
    # A word that says so, or else the rarer class.
    people().assign(label=[labels[0]] * 100 + [labels[1]] * 300).to_csv("people.csv", index=False)
    assert written("label").label.classes == classes


@pytest.mark.parametrize(
    ("label", "reported"),
    [
        ("labl", "did you mean 'label'?"),
        ("constant", "one class only"),
        ("age (years)", "is missing in 58 rows"),
        ("name", "text with too many different values"),
    ],
)
def test_labels_that_cannot_be_learned(label: str, reported: str) -> None:
    people().to_csv("people.csv", index=False)
    with pytest.raises(KelpError) as caught:
        written(label)
    assert reported in str(caught.value)
    assert len(caught.value.lines()) <= 10
    assert not Path("configs").exists()


def test_labels_of_text_without_end() -> None:
    people(1500).to_csv("people.csv", index=False)
    with pytest.raises(DataError, match="too many different values"):
        written("name")


def test_typed_time_is_no_label() -> None:
    pq.write_table(
        pa.table({"x": [1, 2], "t": pd.date_range("2020-01-01", periods=2)}), "t.parquet"
    )
    with pytest.raises(DataError, match="neither a number nor a class"):
        written("t", "t.parquet")


def test_refusals() -> None:
    Path("people.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="no rows"):
        written("b")
    Path("people.csv").write_text("a,b\n1,0\n1,1\n")
    with pytest.raises(ConfigError, match="no column of the data can be a feature"):
        written("b")
    with pytest.raises(ConfigError, match="is no name"):
        write_config("De mo", "people.csv", "b")
    with pytest.raises(DataError, match="did you mean people"):
        written("b", "peple.csv")
    Path("more").mkdir()
    Path("more/1.csv").write_text("a,b\n1,0\n2,1\n")
    Path("more/2.csv").write_text("a,c\n1,0\n2,1\n")
    with pytest.raises(DataError, match="columns differ"):
        written("b", "more")


def test_an_existing_config_is_kept() -> None:
    people().to_csv("people.csv", index=False)
    path = write_config("demo", "people.csv", "label")
    path.write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        write_config("demo", "people.csv", "label")
    assert path.read_text() == "mine"
    write_config("demo", "people.csv", "label", force=True)
    assert path.read_text() != "mine"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("rows", [1, 10, 150, 999, 4_999, 30_000, 10**6, 10**9])
def test_settings_fit_the_rows(rows: int) -> None:
    sizing = size_for(rows)
    assert sum(sizing.shares) == pytest.approx(1)
    assert 16 <= sizing.batch_size <= 1024
    assert sizing.patience < sizing.epochs
    assert size_for(2 * rows).batch_size >= sizing.batch_size
    assert size_for(2 * rows).epochs <= sizing.epochs
    assert 10 <= sizing.min_slice_rows <= 100
    assert sizing.refit == (rows < 20_000)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"])))
def test_any_text_survives_yaml(text: str) -> None:
    assert parse(yaml_text(text), "").value == text


WORD = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=8)


@settings(deadline=None)
@given(names=st.lists(WORD.map(str.strip).filter(bool), min_size=2, max_size=4, unique=True))
def test_any_column_names_survive(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("init")
    label, *others = names
    random = np.random.default_rng(1)
    columns: dict[str, Any] = {name: random.normal(size=60) for name in others}
    pq.write_table(pa.table({**columns, label: random.integers(0, 2, 60)}), folder / "x.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = written(label, "x.parquet")
    assert config.label.name == label
    assert set(config.features) <= set(others)
    assert len(config.features) == len({serving_name(name) for name in others})


def test_names_that_would_meet_once_served() -> None:
    frame = people().rename(columns={"flag": "a b", "siblings": "a-b"})
    frame["age (years)_missing"] = frame["price"]
    frame.to_csv("people.csv", index=False)
    config = written("label")
    assert "a b" in config.features
    assert "a-b" not in config.features
    assert not config.features["age (years)"].model_dump()["missing_indicator"]


def integers(low: int, high: int, rows: int = ROWS) -> list[int]:
    return np.random.default_rng(low).integers(low, high, rows, endpoint=True).tolist()


def table(**columns: list[Any]) -> dict[str, str]:
    """The types that init gives to columns; what is left out is not there."""
    rows = len(next(iter(columns.values())))
    labels = np.random.default_rng(5).choice(["no", "yes"], rows)
    frame = pd.DataFrame({**columns, "weight": np.random.default_rng(6).normal(size=rows)})
    frame.assign(label=labels).to_csv("table.csv", index=False)
    return types(written("label", "table.csv", force=True))


@pytest.mark.parametrize("name", ["price_min", "speed_min", "min", "temp_min"])
def test_a_minimum_is_no_minute(name: str) -> None:
    assert table(**{name: integers(0, 59)})[name] == "numeric"
    text = Path("configs/demo.yaml").read_text()
    assert "cyclic with period 60, if it is a minute" in text


def test_a_contract_of_some_months_is_no_month_of_the_year() -> None:
    assert table(contract_month=integers(1, 12))["contract_month"] == "numeric"
    terms = np.random.default_rng(0).choice([1, 6, 12], ROWS).tolist()
    assert table(month=terms)["month"] == "numeric"


def test_parts_of_a_date_go_round_when_they_have_company_and_fill_the_circle() -> None:
    hours, minutes = integers(5, 23), [5 * one for one in integers(0, 11)]
    assert table(dep_hour=hours, dep_min=minutes) == {
        "dep_hour": "cyclic",
        "dep_min": "cyclic",
        "weight": "numeric",
    }
    found = table(month=integers(1, 12), weekday=integers(0, 6), hour=integers(0, 23))
    assert set(found.values()) == {"cyclic", "numeric"}
    assert table(wind_dir=[10 * one for one in integers(0, 36)])["wind_dir"] == "cyclic"
    assert table(heading=integers(0, 90))["heading"] == "numeric"
    assert "not all round the circle" in Path("configs/demo.yaml").read_text()


@pytest.mark.parametrize("name", ["employee_no", "kundennummer", "x"])
def test_whole_numbers_with_gaps_that_never_repeat_are_an_id(name: str) -> None:
    numbers = np.random.default_rng(1).permutation(10 * ROWS)[:ROWS] + 10_000
    assert name not in table(**{name: numbers.tolist()})
    assert re.search(rf"#   {name}: an id: .*none comes twice|its name", _config_text())


def _config_text() -> str:
    return Path("configs/demo.yaml").read_text()


def test_a_wide_id_needs_its_name_and_a_quantity_stays_one() -> None:
    wide = np.random.default_rng(1).permutation(10**7)[:ROWS].tolist()
    assert table(population=wide)["population"] == "numeric"
    assert "employee_no" not in table(employee_no=wide)
    assert table(passengers_no=integers(0, 300, 4000))["passengers_no"] == "numeric"
    assert table(line_no=[97 * one for one in integers(0, 60, 4000)])["line_no"] == "vocabulary"


def test_guesses_are_shown_with_their_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    people().to_csv("people.csv", index=False)
    assert main(["init", "demo", "--data", "people.csv", "--label", "label"]) == 0
    shown = capsys.readouterr().out
    assert "Hour: cyclic (an hour, by its name and values 0 to 23)" in shown
    assert "person id: left out (numbers the rows)" in shown
    assert "data.dates.when: iso: every value fits" in shown
    assert shown.splitlines()[-1].startswith("wrote configs/demo.yaml")
