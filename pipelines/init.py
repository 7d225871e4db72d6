"""`kelp init`: a look at unknown data, and a commented config for them that runs."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from components.example_gen import kinds
from components.example_gen.config import DataSpec, IngestSpec
from components.example_gen.files import Selection, select_files
from models.errors import ConfigError
from models.features import indicator_name, serving_name
from pipelines._label import LabelPlan, plan_label
from pipelines._roles import Role, first_time, role_of, tells_label
from pipelines._sample import (
    Column,
    Sample,
    column_names,
    count_distinct,
    distinct_values,
    likely_delimiter,
    look_spec,
    take_sample,
)
from pipelines._sizing import bound_for, size_for
from pipelines._text import count, did_you_mean, nearest, some
from pipelines.config import load_config

FOLDER = Path("configs")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
# Kelp reads `no` as a word, other readers of YAML do not.
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
# What stands for a missing value in many published data sets, beside Kelp's defaults.
_NULL_WORDS = ("?", "NULL", "N/A", "n/a", "None", "none", "-", ".")
_STRATIFIED_ROWS = 20
_SLICE_VALUES = 12
_SLICES = 2


def write_config(name: str, data: str, label: str, *, force: bool = False) -> Path:
    """Writes `configs/NAME.yaml` for the data and gives its path.

    Args:
      name: The name of the config and of the model.
      data: A CSV or Parquet file, a folder, a glob, or a pattern with `{SPAN}`.
      label: The column to predict.
      force: Whether a config of that name may be replaced.

    Raises:
      ConfigError: The name or the label will not do, or the config is there already.
      DataError: The data cannot be read, or the label cannot be learned.
    """
    target = FOLDER / f"{name}.yaml"
    _require_name(name, target, force)
    spec = look_spec(data, "kelp init --data")
    selection = select_files(spec)
    spec = spec.model_copy(update={"delimiter": likely_delimiter(selection)})
    names = column_names(selection.sources[0].path, spec, selection)
    _require_label(label, names, selection)
    sample, extra_nulls = _sample(spec, selection)
    if extra_nulls:
        spec = spec.model_copy(update={"null_values": (*spec.null_values, *extra_nulls)})
    everywhere = distinct_values(label, spec, selection)
    labelled = next(column for column in sample.columns if column.name == label)
    plan = plan_label(labelled, everywhere, selection.sources[0].path)
    text = render(name, spec, sample, labelled, plan)
    _write_checked(target, text)
    return target


def render(name: str, spec: IngestSpec, sample: Sample, label: Column, plan: LabelPlan) -> str:
    """The config's text.

    Raises:
      ConfigError: No column but the label could be a feature.
    """
    roles = _roles(sample, label, plan)
    features = [role for role in roles if role.spec]
    left_out = [role for role in roles if not role.spec]
    if not features:
        raise ConfigError(
            "no column of the data can be a feature",
            where=spec.path,
            expected="a column that tells something about the label",
            received=some([f"{role.name} ({role.note})" for role in left_out], 4),
        )
    sizing = size_for(sample.total_rows)
    stratified = plan.task != "regression" and plan.rarest >= _STRATIFIED_ROWS
    return _template().render(
        name=name,
        target=FOLDER / f"{name}.yaml",
        path=spec.path,
        looked_at=count(sample.rows, "row"),
        total_rows=sample.total_rows,
        label=label,
        plan=plan,
        delimiter=spec.delimiter,
        null_values=spec.null_values,
        extra_nulls=len(spec.null_values) > len(DataSpec(path="x").null_values),
        time=first_time(roles),
        split_by="stratified" if stratified else "row",
        features=features,
        left_out=left_out,
        sizing=sizing,
        slices=_slices(features, sample),
        bound=bound_for(plan, sizing),
    )


def _roles(sample: Sample, label: Column, plan: LabelPlan) -> list[Role]:
    roles = []
    for column in sample.columns:
        if column.name == label.name:
            continue
        if plan.task != "regression" and tells_label(column, label, sample.rows):
            roles.append(Role(column.name, {}, "tells the label, value by value"))
        else:
            roles.append(role_of(column, sample.rows))
    return _named_apart(roles, label.name)


def _named_apart(roles: Sequence[Role], label: str) -> list[Role]:
    """Leaves out what would have the name of another feature, once served or indicated."""
    served: dict[str, str] = {}
    apart = []
    for role in roles:
        other = served.setdefault(serving_name(role.name), role.name) if role.spec else role.name
        if other == role.name:
            apart.append(role)
        else:
            apart.append(Role(role.name, {}, f"would be served by the same name as {other}"))
    taken = {role.name for role in apart if role.spec} | {label}
    return [
        replace(role, spec={key: role.spec[key] for key in role.spec if key != "missing_indicator"})
        if indicator_name(role.name) in taken
        else role
        for role in apart
    ]


def _slices(features: Sequence[Role], sample: Sample) -> list[str]:
    """The features with the fewest values: each value has rows enough to judge it by."""
    counts = {
        column.name: count_distinct(column.values)
        for column in sample.columns
        if column.kind in (kinds.TEXT, kinds.INT, kinds.BOOL)
    }
    groups = [role.name for role in features if role.spec["type"] in ("categorical", "boolean")]
    few = [name for name in groups if counts.get(name, _SLICE_VALUES + 1) <= _SLICE_VALUES]
    return sorted(few, key=lambda name: (counts[name], name))[:_SLICES]


def _sample(spec: IngestSpec, selection: Selection) -> tuple[Sample, tuple[str, ...]]:
    """The sample, and the words in it that stand for a missing number."""
    sample = take_sample(spec, selection)
    if selection.format == "parquet":
        return sample, ()
    extra = tuple(sorted(set().union(*map(_null_words, sample.columns))))
    if not extra:
        return sample, ()
    wider = spec.model_copy(update={"null_values": (*spec.null_values, *extra)})
    return take_sample(wider, selection), extra


def _null_words(column: Column) -> set[str]:
    """The words without which a text column would be a number."""
    if column.kind != kinds.TEXT:
        return set()
    distinct = column.values.unique().drop_null().cast("string")
    rest = distinct.filter(pc.invert(pc.is_in(distinct, value_set=pa.array(_NULL_WORDS))))
    if not len(rest) or kinds.kind_of_text(rest) == kinds.TEXT:
        return set()
    return set(distinct.to_pylist()) - set(rest.to_pylist())


def _require_name(name: str, target: Path, force: bool) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a config",
            where="kelp init NAME",
            expected="lower-case letters, digits, - and _, a letter or digit first",
            received=repr(name),
        )
    if target.exists() and not force:
        raise ConfigError(
            "there is a config of that name already",
            where=str(target),
            expected="a name that is free",
            fix="choose another name, or replace it with --force",
        )


def _require_label(label: str, names: Sequence[str], selection: Selection) -> None:
    if label not in names:
        close = nearest(label, names)
        raise ConfigError(
            f"the label column {label!r} does not exist in the data",
            where=f"kelp init --label; {selection.sources[0].path}",
            expected=f"one of: {some(list(names), 20)}",
            received=repr(label),
            fix=did_you_mean(label, names) if close else "",
        )


def _write_checked(target: Path, text: str) -> None:
    """Puts the config in place once it is known to load."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(".yaml", f".{target.stem}-", target.parent)
    path = Path(temporary)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        load_config(path)
        path.chmod(0o644)
        path.replace(target)
    finally:
        path.unlink(missing_ok=True)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"text": yaml_text, "mapping": _mapping, "note": _note}
    source = resources.files("pipelines").joinpath("templates").joinpath("config.yaml.j2")
    return environment.from_string(source.read_text(encoding="utf-8"))


def yaml_text(value: object) -> str:
    """A value as YAML, in quotes where a plain word would mean something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    quoted = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=2**31)
    return str(quoted).strip()


def _mapping(values: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {yaml_text(value)}" for key, value in values.items()) + "}"


def _note(text: str) -> str:
    """The text as one line of a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
