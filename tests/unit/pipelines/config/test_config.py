"""The config: what is accepted, and how what is not accepted is explained."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ConfigError, error_from_json
from evidence.metric_names import can_bound_change, metric_names
from models.tasks import task_names
from pipelines.config.consistency import consistency_errors
from pipelines.config.problem import KelpConfig, config_digest, load_config, require_schema

BASE = """\
name: demo
task: binary
label: {name: y}
features:
  age: {type: numeric}
  color: {type: categorical}
  month: {type: cyclic, period: 12}
  member: {type: boolean}
data:
  path: data.csv
  split: {by: key, columns: [user]}
  keep: [note, age]
evaluation:
  slices: [[color], [color, shop]]
  bounds: {roc_auc: {min: 0.7}}
"""


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "demo.yaml"
    path.write_text(BASE)
    return path


def refused(path: Path, *overrides: str, text: str | None = None) -> ConfigError:
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert len(caught.value.lines()) <= 10
    return caught.value


SERIES = """\
name: demo
task: forecast
label: {name: load, history: past, season: 24, quantiles: [0.1, 0.5, 0.9]}
features:
  past: {type: window, columns: [load_past, wind_past]}
data:
  path: data.csv
  series: {time: at, context: 48, horizon: 24}
"""


def test_the_first_column_of_the_history_is_the_labels_own_past(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(SERIES)
    assert load_config(path).config.features["past"].raw_size() == 48
    error = refused(path, text=SERIES.replace("load_past, wind_past", "wind_past, load_past"))
    assert "the history 'past' begins with another column than the label's past" in error.what
    assert (error.expected, error.received) == ("load_past first", "wind_past, load_past")


def test_figures_that_slices_name_are_no_columns_of_the_data(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(SERIES + "evaluation: {slices: [[load_past_mean], [site]]}\n")
    config = load_config(path).config
    assert {"load_past_mean", "site"} <= set(config.slice_keys().named)
    assert {"load_past", "site"} <= set(config.columns())
    assert "load_past_mean" not in config.columns()


def test_the_steps_of_a_series_label_are_the_horizon(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(SERIES)
    assert load_config(path).config.label.steps == 24
    error = refused(path, "label.steps=12")
    assert "the label has another length than the series gives" in error.what
    assert (error.expected, error.received) == ("24", "12")


def test_parts_of_the_config(config_file: Path) -> None:
    config = load_config(config_file).config
    ingest = config.ingest("demo.yaml")
    assert ingest.columns == ("age", "color", "month", "member", "y", "user", "shop", "note")
    assert ingest.kept == ("note",)  # age is a feature, too
    assert ingest.numbers == ("age", "month", "member")
    assert (ingest.label, ingest.task, ingest.where) == ("y", "binary", "demo.yaml")
    assert config.trainer().problem == config.problem()
    assert config.trainer().costs == config.evaluation.costs


def test_paths_of_images_are_kept_on_request(config_file: Path) -> None:
    photo = "features.photo={type: image, height: 8, width: 8}"
    ingest = load_config(config_file, [photo, "data.keep=[photo, note]"]).config.ingest("")
    assert ingest.path_columns() == {"photo_path": "photo"}
    assert ingest.kept == ("note", "photo_path")
    assert ingest.columns[-2:] == ingest.kept
    assert load_config(config_file, [photo]).config.ingest("").path_columns() == {}


def test_regression_label_is_a_number(config_file: Path) -> None:
    config = load_config(config_file, ["task=regression", "evaluation.bounds={}"]).config
    assert "y" in config.ingest("").numbers


def test_schema_path(config_file: Path, tmp_path: Path) -> None:
    loaded = load_config(config_file)
    assert loaded.schema_path == tmp_path / "demo.schema.pbtxt"
    assert loaded.frozen_schema is None
    require_schema(loaded)
    loaded.schema_path.touch()
    assert loaded.frozen_schema == loaded.schema_path
    named = load_config(config_file, [f"data.schema={tmp_path}/other.pbtxt"])
    assert named.schema_path == tmp_path / "other.pbtxt"
    with pytest.raises(ConfigError, match="does not exist"):
        require_schema(named)


def test_digest_tells_content_and_not_form(config_file: Path) -> None:
    first = load_config(config_file).digest
    config_file.write_text("# a comment\n" + BASE + "seed: 0\n")
    assert load_config(config_file).digest == first
    assert load_config(config_file, ["seed=1"]).digest != first
    assert load_config(config_file, ["data.schema=x.pbtxt"]).digest != first


def test_shipped_configs_load() -> None:
    folder = Path(__file__).parents[4] / "configs"
    shipped = sorted(folder.glob("*.yaml"))
    assert folder / "flights.yaml" in shipped
    for path in shipped:
        config = load_config(path).config
        assert config.name == path.stem
        assert config.trainer().problem == config.problem()
        assert None not in (config.card.intended_use, config.card.limits, config.card.data)
        assert "tracking" in config.model_fields_set, path.name


UNKNOWN = [
    ("sed: 1\n", "sed", "seed", 17),
    ("training:\n  epohcs: 3\n", "training.epohcs", "epochs", 18),
    ("training: {optimizer: {learning_rat: 1}}\n", "training.optimizer.learning_rat", "rate", 17),
    ("push:\n  rot: x\n", "push.rot", "root", 18),
]


@pytest.mark.parametrize(("more", "key", "near", "line"), UNKNOWN)
def test_unknown_key_in_the_file(
    config_file: Path, more: str, key: str, near: str, line: int
) -> None:
    error = refused(config_file, text=BASE + "\n" + more)
    assert error.where == f"{config_file}, key {key} (line {line})"
    assert near in error.fix


def test_unknown_key_inside_a_feature(config_file: Path) -> None:
    error = refused(config_file, text=BASE.replace("period: 12", "period: 12, perod: 2"))
    assert error.where == f"{config_file}, key features.month.perod (line 7)"
    assert error.expected == "one of: type, period, missing_indicator"
    assert error.fix == "did you mean 'period'?"


def test_unknown_key_inside_a_bound(config_file: Path) -> None:
    error = refused(config_file, text=BASE.replace("{min: 0.7}", "{mim: 0.7}"))
    assert "key evaluation.bounds.roc_auc.mim (line 15)" in error.where
    assert error.fix == "did you mean 'min'?"


def test_schema_is_known_by_its_alias(config_file: Path) -> None:
    error = refused(config_file, "data.shema=x")
    assert error.fix == "did you mean 'schema'?"


@pytest.mark.parametrize(
    ("override", "fix"),
    [
        ("training.epohcs=3", "did you mean 'epochs'?"),
        ("features.age.scael=none", "did you mean 'scale'?"),
        ("features.age.type=numerc", "did you mean 'numeric'?"),
        ("training.optimizer.kind=adm", "did you mean 'adam'?"),
    ],
)
def test_wrong_overrides(config_file: Path, override: str, fix: str) -> None:
    error = refused(config_file, override)
    assert error.where == f"command line, override {override}"
    assert error.fix == fix


@pytest.mark.parametrize(
    "override", ["training.epochs", "=3", ".=3", "name.sub=3", "training.epochs=[1"]
)
def test_overrides_that_set_nothing(config_file: Path, override: str) -> None:
    assert "command line" in refused(config_file, override).where


def test_overrides_are_yaml(config_file: Path) -> None:
    overrides = [
        "training.early_stopping=null",
        "network.units=[8, 4]",
        "training.optimizer.learning_rate=1e-2",
        "data.spans=3",
        "seed=1",
        "seed=2",
    ]
    loaded = load_config(config_file, overrides)
    assert loaded.config.training.early_stopping is None
    assert loaded.config.network.units == (8, 4)
    assert loaded.config.training.optimizer.learning_rate == 0.01
    assert loaded.config.data.spans == "3"
    assert loaded.config.seed == 2
    assert loaded.overrides == tuple(overrides)


def test_override_below_null_makes_the_part(config_file: Path) -> None:
    config_file.write_text(BASE + "training: {early_stopping: null}\n")
    loaded = load_config(config_file, ["training.early_stopping.patience=7"])
    assert loaded.config.training.early_stopping is not None
    assert loaded.config.training.early_stopping.patience == 7


def test_override_of_a_feature_with_a_dot(config_file: Path) -> None:
    config_file.write_text(BASE.replace("  age:", "  a.b: {type: numeric}\n  age:"))
    config = load_config(config_file, ["features.a.b.scale=none"]).config
    assert config.features["a.b"].model_dump()["scale"] == "none"


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("", "the key 'name' is missing"),
        ("- a\n", "received: list"),
        (BASE + "name: again\n", "key name (line 16)"),
        (BASE.replace("  age:", "  color:"), "key features.color (line 6)"),
        (BASE.replace("  age:", "  7:"), "put numbers"),
        (BASE + "x: [\n", "line 17"),
        (BASE + "\tx: 1\n", "not valid YAML"),
        (BASE + "a: \x01\n", "a character that YAML does not allow"),
        (BASE + "seed: .inf\n", "not a finite number"),
        (BASE + "push: &a {root: *a}\n", "nested too deeply"),
        (BASE.replace("task: binary\n", ""), "the key 'task' is missing"),
        (BASE.replace("{type: numeric}", "{scale: none}"), "says no type"),
        (BASE.replace("{type: numeric}", "numeric"), "such as {type: numeric}"),
    ],
)
def test_broken_files(config_file: Path, text: str, reported: str) -> None:
    assert reported in str(refused(config_file, text=text))


def test_deep_nesting_is_refused(config_file: Path) -> None:
    assert "nested too deeply" in str(refused(config_file, text="a: " + "[" * 99 + "]" * 99))
    assert "nested too deeply" in str(refused(config_file, text="a: " + "[" * 9999))


def test_not_utf8(config_file: Path) -> None:
    config_file.write_bytes(b"name: \xff\n")
    assert "not text in UTF-8" in str(refused(config_file))


def test_missing_file_names_the_nearest(config_file: Path, tmp_path: Path) -> None:
    error = refused(tmp_path / "demos.yaml")
    assert error.fix == f"did you mean {config_file}?"
    assert "kelp init" in refused(tmp_path / "none" / "x.yaml").fix


REGRESSION = ("task=regression", "evaluation.bounds={}")
MULTICLASS = ("task=multiclass", "evaluation.bounds={}", "label.classes=[a, b, c]")
INCONSISTENT = [
    (["features.y={type: numeric}"], "also listed as a feature"),
    (["task=multiclass", "evaluation.bounds={}"], "multiclass task needs label.classes"),
    (["label.classes=[a, b, c]"], "a binary task has two classes"),
    (["task=regression"], "unknown metric 'roc_auc' for a regression task"),
    (["evaluation.bounds.rocauc={min: 1}"], "did you mean 'roc_auc'?"),
    (["evaluation.change.calibration={max_loss: 1}"], "neither gain nor loss"),
    (["evaluation.bounds.f1={min: 1, max: 0}"], "min no greater than max"),
    (["evaluation.slices=[[]]"], "a slice without a column"),
    (["evaluation.slices=[[a, a]]"], "names a column twice"),
    (["evaluation.slices=[[a, b], [b, a]]"], "is listed twice"),
    (["training.class_weights={'3': 1}"], "which is no class of the label"),
    (["training.class_weights=balnced"], "'none' or 'balanced'"),
    (["task=regression", "training.class_weights=balanced"], "no classes to weigh"),
    (["data.split={by: stratified}", "task=regression"], "no classes to stratify by"),
    (["data.split.shares={train: 0.9, val: 0.1, test: 0}"], "the split test would have no rows"),
    (["data.split.by=row"], "takes no split.columns"),
    (
        ["features.photo={type: image, height: 8, width: 8}", "data.keep=[photo, photo_path]"],
        "keeps the paths of 'photo' as 'photo_path', a column that is there",
    ),
    (
        ["features.age.missing_indicator=true", "features.age_missing={type: numeric}"],
        "both named",
    ),
    (["evaluation.metric=calibration"], "cannot be the main metric of a binary task"),
    (["evaluation.metric=roc_acu"], "did you mean 'roc_auc'?"),
    (
        [*REGRESSION, "evaluation.metric=roc_auc"],
        "'roc_auc' cannot be the main metric of a regression task",
    ),
    ([*REGRESSION, "evaluation.fairness.sensitive=[color]"], "evaluation.fairness speaks of"),
    ([*REGRESSION, "evaluation.calibration.max_error=0.1"], "evaluation.calibration speaks of"),
    ([*REGRESSION, "training.calibration=temperature"], "training speaks of classes"),
    (
        ["training.teacher={}", "training.loss.label_smoothing=0.1"],
        "training.teacher softens the labels already",
    ),
    (
        [*MULTICLASS, "evaluation.fairness.sensitive=[color]"],
        "rates of being called positive need a binary task",
    ),
    (["evaluation.stress.s={kind: noise, columns: [agee]}"], "'agee', which is no feature"),
    (["evaluation.stress.s={kind: noise, columns: [color]}"], "cannot fall on 'color'"),
    (["evaluation.stress.s={kind: units, columns: [member]}"], "cannot fall on 'member'"),
    (
        ["evaluation.stress.s={kind: unseen}", "features.color={type: boolean}"],
        "the stress 's' applies to no feature",
    ),
    (["evaluation.resample=keys", "data.split={by: row}"], "no keys to draw rows by"),
]


@pytest.mark.parametrize(("overrides", "reported"), INCONSISTENT)
def test_parts_that_do_not_fit(config_file: Path, overrides: list[str], reported: str) -> None:
    assert reported in str(refused(config_file, *overrides))


def test_an_error_is_where_its_key_is(config_file: Path) -> None:
    text = BASE + "  stress:\n    shaky: {kind: noise, columns: [agee]}\n"
    error = refused(config_file, text=text)
    assert error.where == f"{config_file}, key evaluation.stress.shaky (line 17)"
    assert error.received == "agee"
    error = refused(config_file, "data.split={}", text=BASE + "  resample: keys\n")
    assert error.where == f"{config_file}, key evaluation.resample (line 16)"


def test_rows_that_the_bootstrap_draws_together(config_file: Path) -> None:
    config = load_config(config_file).config
    assert config.cluster_columns() == config.stress().cluster_columns == ()
    config = load_config(config_file, ["evaluation.resample=keys"]).config
    assert config.cluster_columns() == config.stress().cluster_columns == ("user",)


@pytest.mark.parametrize(
    "overrides",
    [
        ["evaluation.metric=f1", "evaluation.stress.s={kind: noise, columns: [age, month]}"],
        [*REGRESSION, "evaluation.metric=mae"],
        [*MULTICLASS, "evaluation.calibration.max_error=0.1", "training.calibration=temperature"],
    ],
)
def test_parts_that_fit(config_file: Path, overrides: list[str]) -> None:
    assert consistency_errors(load_config(config_file, overrides).config) == []


def test_many_errors_in_ten_lines(config_file: Path) -> None:
    wrong = "".join(f"wrong{number}: 1\n" for number in range(9))
    error = refused(config_file, text=BASE + wrong)
    assert len(error.lines()) == 10
    assert error.lines()[-1] == "  ... and 4 more"
    assert "wrong1" in str(error)
    # A process boundary keeps the first error.
    assert error_from_json(error.to_json()).where == error.where


def test_plain_words_keep_their_meaning(config_file: Path) -> None:
    config_file.write_text(BASE.replace("{name: y}", "{name: y, classes: [no, yes]}"))
    assert load_config(config_file).config.label.classes == ("no", "yes")
    config_file.write_text(BASE.replace("{name: y}", "{name: y, classes: [false, true]}"))
    assert load_config(config_file).config.label.classes == (False, True)
    config_file.write_text(BASE.replace("{name: y}", "{name: y, classes: [007, 2020-01-01]}"))
    assert load_config(config_file).config.label.classes == ("007", "2020-01-01")


@pytest.mark.parametrize("task", task_names())
def test_metric_names(task: Any) -> None:
    assert metric_names(task)
    best_at_some_value = {"calibration", "coverage"}
    others = set(metric_names(task)) - best_at_some_value
    assert all(can_bound_change(task, name) for name in others)


WORDS = st.text(string.ascii_lowercase + "_", min_size=1, max_size=12)


@given(key=WORDS, value=st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(WORDS)))
def test_any_top_level_key_is_explained(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    """Whatever one writes, the answer is a config or a ConfigError within ten lines."""
    path = tmp_path_factory.mktemp("configs") / "x.yaml"
    content = {**yaml.safe_load(BASE), key: value}
    path.write_text(yaml.safe_dump(content))
    result: ConfigError | None = None
    try:
        loaded = load_config(path)
    except ConfigError as error:
        result = error
    if result is not None:
        assert 1 <= len(result.lines()) <= 10
        assert str(path) in result.where
    else:
        assert key in KelpConfig.model_fields
        assert config_digest(loaded.config) == loaded.digest
