"""Files written the European way: `kelp init` reads them, and so does everything after it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from components.example_gen.calendar import dated_columns
from components.example_gen.config import DateSpec, RawFormat
from components.example_gen.files import select_files
from components.example_gen.rows import make_units, read_unit
from components.example_gen.scan import merge_kinds, scan_file
from contracts.errors import DataError
from models.data.raw_format_file import raw_format_file
from pipelines.commands.check import check
from pipelines.commands.init import write_config
from pipelines.config.problem import LoadedConfig, load_config
from pipelines.prediction.raw_format import format_explained, raw_format
from pipelines.prediction.raw_rows import open_rows

ROWS = 300


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def orders() -> pd.DataFrame:
    random = np.random.default_rng(0)
    when = pd.Timestamp("2021-01-01") + pd.to_timedelta(random.integers(0, 9000, ROWS), unit="h")
    return pd.DataFrame(
        {
            "when": when,
            "price": random.gamma(2, 900, ROWS).round(2),
            "share": random.uniform(0, 40, ROWS).round(1),
            "area": random.uniform(20, 200, ROWS).round(1),
            "place": random.choice(["Köln", "Würzburg", "Ulm"], ROWS),
            "label": random.choice(["ja", "nein"], ROWS),
        }
    )


def european(frame: pd.DataFrame) -> pd.DataFrame:
    def mark(value: float) -> str:
        return f"{value:,}".replace(",", "_").replace(".", ",").replace("_", ".")

    written = frame.copy()
    written["when"] = frame["when"].dt.strftime("%d.%m.%Y %H:%M")
    written["price"] = [f"{mark(one)} €" for one in frame["price"]]
    written["share"] = [f"{mark(one)}%" for one in frame["share"]]
    written["area"] = [mark(one) for one in frame["area"]]
    written.loc[::7, "area"] = "?"
    return written


def initialised(encoding: str = "cp1252") -> LoadedConfig:
    european(orders()).to_csv("orders.csv", sep=";", index=False, encoding=encoding)
    return load_config(write_config("orders", "orders.csv", "label"))


def training_columns(loaded: LoadedConfig) -> dict[str, list[object]]:
    """What ExampleGen makes of the data."""
    spec = loaded.config.ingest("x")
    selection = select_files(spec)
    scans = [scan_file(one.path, selection.format, spec) for one in selection.sources]
    found = merge_kinds(scans, spec)
    columns: dict[str, list[object]] = {name: [] for name in found}
    for unit in make_units(scans, [0] * len(scans)):
        for _, _, batch in read_unit(unit, spec, found):
            for name, values in batch.items():
                columns[name] += values.to_pylist()
    return columns


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_init_recognises_a_european_file(encoding: str) -> None:
    data = initialised(encoding).config.data
    assert (data.encoding, data.delimiter) == (encoding, ";")
    assert (data.decimal, data.thousands) == (",", ".")
    assert data.units == {"price": "€", "share": "%"}
    form = "%d.%m.%Y %H:%M"
    parts = ("month", "weekday", "hour", "days")
    assert data.dates == {"when": DateSpec(format=form, parts=parts)}
    assert "?" in data.null_values
    written = Path("configs/orders.yaml")
    assert "# decimal is ',', thousands '.', as in '" in written.read_text(encoding="utf-8")
    loaded = load_config(written)
    assert {name: spec.type for name, spec in loaded.config.features.items()} == {
        "when_month": "cyclic",
        "when_weekday": "cyclic",
        "when_hour": "cyclic",
        "when_days": "numeric",
        "price": "numeric",
        "share": "numeric",
        "area": "numeric",
        "place": "categorical",
    }


def test_training_gets_the_values_that_were_meant() -> None:
    columns, frame = training_columns(initialised()), orders()
    assert columns["price"] == frame["price"].tolist()
    assert columns["share"] == frame["share"].tolist()
    assert columns["area"][:8] == [None, *frame["area"][1:7], None]
    assert columns["when_month"] == frame["when"].dt.month.tolist()
    assert columns["when_weekday"] == (frame["when"].dt.weekday + 1).tolist()
    assert columns["when_hour"] == frame["when"].dt.hour.tolist()
    assert [one.decode() for one in columns["place"]] == frame["place"].tolist()


def test_predict_reads_a_file_as_training_did() -> None:
    loaded = initialised()
    trained = training_columns(loaded)
    types = dict.fromkeys(loaded.config.features, "number") | {"place": "text"}
    raw = loaded.config.data.raw_format()
    table = pa.concat_tables(list(open_rows(Path("orders.csv"), types, raw).tables()))
    for name in types:
        wanted = [one.decode() if isinstance(one, bytes) else one for one in trained[name]]
        assert table[name].to_pylist() == wanted, name


def test_predict_takes_the_format_from_the_model_or_from_a_config() -> None:
    raw = initialised().config.data.raw_format()
    saved = Path("model")
    (saved / "assets.extra").mkdir(parents=True)
    (saved / "saved_model.pb").touch()
    lite = Path("lite")
    lite.mkdir()
    for folder in (saved, lite):
        raw_format_file(folder).write_text(raw.model_dump_json())
        assert raw_format(folder, None, None) == raw
        assert raw_format(folder, None, "\t").delimiter == "\t"
    assert raw_format(None, Path("configs/orders.yaml"), None) == raw
    assert raw_format(None, None, None) == RawFormat()


def test_a_config_without_a_step_leaves_that_which_the_model_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = {"time": "when", "context": 4, "horizon": 2}
    config = SimpleNamespace(data=RawFormat.model_validate({"series": keys}))
    monkeypatch.setattr(
        "pipelines.config.problem.load_config", lambda path: SimpleNamespace(config=config)
    )
    learned = RawFormat.model_validate({"series": {**keys, "step": "30m"}})
    lite = Path("lite")
    lite.mkdir()
    raw_format_file(lite).write_text(learned.model_dump_json())
    assert raw_format(lite, Path("x.yaml"), None) == learned
    assert raw_format(None, Path("x.yaml"), None) == config.data


@pytest.mark.parametrize(
    ("encoding", "shown"), [("cp1252", "not text in utf-8"), ("utf-8", "none of the model's")]
)
def test_a_served_model_s_file_of_another_form_names_the_config(encoding: str, shown: str) -> None:
    initialised(encoding)
    types = {"price": "number"}
    with pytest.raises(DataError) as caught, format_explained(Path("orders.csv"), known=False):
        open_rows(Path("orders.csv"), types)
    assert shown in caught.value.what
    assert "--config" in caught.value.fix
    with pytest.raises(DataError) as caught, format_explained(Path("orders.csv"), known=True):
        open_rows(Path("orders.csv"), types)
    assert "--config" not in caught.value.fix
    with pytest.raises(DataError) as caught, format_explained(Path("none.csv"), known=False):
        open_rows(Path("none.csv"), types)
    assert "--config" not in caught.value.fix


def test_a_file_of_calendar_features_is_taken_as_it_is() -> None:
    raw = RawFormat(dates={"when": DateSpec(parts=("month",))})
    types = {"when_month": "number"}
    Path("a.csv").write_text("when_month\n3\n")
    Path("b.csv").write_text("when\n2020-04-01\n")
    values = [next(open_rows(Path(name), types, raw).tables()) for name in ("a.csv", "b.csv")]
    assert [one["when_month"].to_pylist() for one in values] == [[3.0], [4.0]]


def test_parquet_dates_give_the_same_features() -> None:
    orders().to_parquet("orders.parquet")
    loaded = load_config(write_config("orders", "orders.parquet", "label"))
    columns, when = training_columns(loaded), orders()["when"]
    assert columns["when_hour"] == when.dt.hour.tolist()
    assert dated_columns(columns, loaded.config.data) == [
        "when_month",
        "when_weekday",
        "when_hour",
        "when_days",
    ]


def failed(*overrides: str) -> dict[str, str]:
    found = check(load_config(Path("configs/orders.yaml"), overrides))
    return {one.what: str(one.error) for one in found if one.error is not None}


def test_check_accepts_dates_as_time_and_refuses_what_a_run_would_refuse() -> None:
    initialised()
    by_time = ("data.split.by=time", "data.split.columns=[when]")
    assert failed() == {}
    assert failed(*by_time) == {}
    unknown = failed(*by_time, "data.dates={}", "features={area: {type: numeric}}")
    assert "holds no time" in unknown["split"]
    assert "data.dates: {when: {format: '%d.%m.%Y %H:%M'}}" in unknown["split"]
    wrong = failed("data.dates={when: {format: '%d.%m.%Y', parts: [month, weekday, hour, days]}}")
    assert "orders.csv, line 2" in wrong["columns"]
    assert "data.dates.when.format: '%d.%m.%Y %H:%M'" in wrong["columns"]
    plain = failed("data.decimal='.'", "data.thousands=''", "data.units={}")
    assert "set data.decimal: ','" in plain["columns"]


def test_check_reads_text_dates_in_parquet() -> None:
    pq.write_table(pa.table({"d": ["1.2.2020", "31.2.2020"], "y": [0, 1]}), "orders.parquet")
    Path("configs").mkdir()
    Path("configs/orders.yaml").write_text(
        "name: orders\ntask: binary\nlabel: {name: y}\nfeatures: {d_month: {type: numeric}}\n"
        "data: {path: orders.parquet, dates: {d: {format: '%d.%m.%Y', parts: [month]}}}\n"
    )
    found = failed()
    assert list(found) == ["dates"]
    assert "orders.parquet, row 2" in found["dates"]
    assert "'31.2.2020'" in found["dates"]


@pytest.mark.parametrize(
    ("override", "shown"),
    [
        ("data.units={pric: €}", "the nearest is 'price'"),
        ("data.dates={whem: {}}", "the nearest is 'when'"),
    ],
)
def test_columns_that_do_not_exist_are_named(override: str, shown: str) -> None:
    initialised()
    names = "features={area: {type: numeric}}"
    assert shown in failed(override, names)["columns"]


def test_a_part_must_not_take_the_name_of_a_column() -> None:
    spec = initialised().config.ingest("x")
    frame = european(orders()).assign(when_month=1)
    frame.to_csv("orders.csv", sep=";", index=False, encoding="cp1252")
    with pytest.raises(DataError, match="'when_month' is a column of the data"):
        scan_file("orders.csv", "csv", spec)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"decimal": ",", "thousands": ","}, "both ','"),
        ({"units": {"x": "5"}}, "the unit of 'x'"),
        ({"dates": {"x": {"format": "%H:%M"}}}, "no form of a date"),
        ({"dates": {"x": {"parts": ["week"]}}}, "weekday"),
        (
            {"dates": {"a": {"parts": ["day_of_year"]}, "a_day_of": {"parts": ["year"]}}},
            "both give 'a_day_of_year'",
        ),
    ],
)
def test_formats_that_contradict_themselves(fields: dict[str, object], shown: str) -> None:
    with pytest.raises(ValidationError, match=shown):
        RawFormat.model_validate(fields)


def test_numbers_that_cannot_be_read_are_said_with_the_fix() -> None:
    frame = european(orders())
    frame["mixed"] = ["1.5" if row % 2 else f"{row},25" for row in range(ROWS)]
    frame["nearly"] = [*[f"{row},5" for row in range(ROWS - 1)], "unknown"]
    frame.to_csv("orders.csv", sep=";", index=False)
    lines: list[str] = []
    write_config("orders", "orders.csv", "label", show=lines.append)
    shown = "\n".join(lines)
    assert "not all written in one way, such as '0,25' and '1.5'" in shown
    assert "but not 'unknown': add it to data.null_values" in shown
    assert "data.encoding" not in shown
    assert "data.units.price: '€'" in shown
