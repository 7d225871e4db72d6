"""`kelp init`: a look at unknown data, and a commented config for them that runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import pyarrow as pa
import yaml

from components.example_gen import kinds
from components.example_gen.config import DataSpec, DateSpec, IngestSpec
from components.example_gen.files import Selection, select_files
from components.example_gen.image_files import PATH_COLUMN
from contracts.columns import indicator_name
from contracts.errors import ConfigError
from contracts.files import write_atomically
from contracts.names import serving_name
from contracts.text import count, did_you_mean, some
from models.features.registry import KINDS
from pipelines.config.problem import load_config
from pipelines.recognition.images import (
    holds_files,
    holds_images,
    image_role,
    require_class_folders,
)
from pipelines.recognition.labels import LabelPlan, plan_label
from pipelines.recognition.raw_formats import FormatGuess, guess_text, guess_values, with_parts
from pipelines.recognition.roles import (
    Role,
    calendar_roles,
    first_time,
    only_texts,
    role_of,
    tells_label,
)
from pipelines.recognition.sample import (
    NESTED,
    Column,
    Sample,
    column_names,
    count_distinct,
    distinct_values,
    look_spec,
    read_head,
    to_sample,
)
from pipelines.recognition.series import (
    SeriesPlan,
    months_note,
    recognise_series,
    series_roles,
    series_values,
)
from pipelines.recognition.sizing import bound_for, size_for

FOLDER = Path("configs")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
# Kelp reads `no` as a word, other readers of YAML do not.
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_GUESSES_SHOWN = 40
_STRATIFIED_ROWS = 20
_SLICE_VALUES = 12
_SLICES = 2


def write_config(
    name: str,
    data: str,
    label: str,
    *,
    force: bool = False,
    show: Callable[[str], None] | None = None,
) -> Path:
    """Writes `configs/NAME.yaml` for the data and gives its path.

    Args:
      name: The name of the config and of the model.
      data: A CSV or Parquet file, a folder, a glob, or a pattern with `{SPAN}`.
      label: The column to predict.
      force: Whether a config of that name may be replaced.
      show: Gets, line by line, what was guessed and why.

    Raises:
      ConfigError: The name or the label will not do, or the config is there already.
      DataError: The data cannot be read, or the label cannot be learned.
    """
    target = FOLDER / f"{name}.yaml"
    _require_name(name, target, force)
    proposal = propose(data, label, "kelp init", with_series=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    # It is put in place once it is known to load.
    write_atomically(target, render(name, proposal), check=load_config)
    for line in proposal.lines():
        if show is not None:
            show(line)
    return target


def propose(data: str, label: str, command: str, *, with_series: bool = False) -> Proposal:
    """Looks at the data and finds out what becomes of every column.

    Args:
      data: A CSV or Parquet file, a folder, a glob, or a pattern with `{SPAN}`.
      label: The column to predict.
      command: The command that asks, for errors.
      with_series: Whether rows may be the steps of time series.

    Raises:
      ConfigError: The label will not do.
      DataError: The data cannot be read, or the label cannot be learned.
    """
    spec = look_spec(data, command)
    selection = select_files(spec)
    if selection.format == "images":
        for source in selection.sources:
            require_class_folders(source.path)
        image = "image" if label != "image" else "picture"
        spec = spec.model_copy(update={"label": label, "files": (image,)})
    spec, guesses = guess_text(spec, selection)
    names = column_names(selection.sources[0].path, spec, selection)
    _require_label(label, names, selection, command)
    spec, sample, more = _sample(label, spec, selection)
    labelled = next(column for column in sample.columns if column.name == label)
    everywhere = None if labelled.kind == NESTED else distinct_values(label, spec, selection)
    all_guesses = tuple(guesses + more)
    if with_series and labelled.missing < sample.rows:
        # A series may lack values of its label: they are what is filled, or not predicted.
        known = replace(labelled, values=labelled.values.drop_null())
        plan = plan_label(known, everywhere, selection.sources[0].path, of_series=True)
        series = recognise_series(sample, label, plan.task == "regression")
        if series is not None:
            roles = series_roles(sample, labelled, series)
            return Proposal(spec, all_guesses, sample, labelled, plan, tuple(roles), series)
    plan = plan_label(labelled, everywhere, selection.sources[0].path)
    roles = _roles(sample, labelled, plan, selection)
    return Proposal(spec, all_guesses, sample, labelled, plan, tuple(roles))


@dataclass(frozen=True)
class Proposal:
    """All that was found out about the data.

    Attributes:
      spec: How the files are read.
      guesses: Why they are read so.
      sample: Their first rows.
      label: The label's column.
      plan: How the label is learned.
      roles: What becomes of every other column.
      series: The windows, where the rows are the steps of time series.
    """

    spec: IngestSpec
    guesses: tuple[FormatGuess, ...]
    sample: Sample
    label: Column
    plan: LabelPlan
    roles: tuple[Role, ...]
    series: SeriesPlan | None = None

    def dates(self) -> dict[str, DateSpec]:
        """The dates, with those of their parts that are features."""
        parts: dict[str, list[str]] = {}
        for role in self.roles:
            if role.source and role.spec:
                parts.setdefault(role.source, []).append(role.part)
        if self.series is not None and self.series.block_days is not None:
            parts.setdefault(self.series.time, []).append("days")
        return with_parts(self.spec.dates, parts)

    def lines(self) -> list[str]:
        """What was guessed, and why, for the screen."""
        lines = [f"data.{guess.key}: {guess.reason}" for guess in self.guesses]
        for role in self.roles[:_GUESSES_SHOWN]:
            what = str(role.spec.get("type", "left out")) if role.spec else "left out"
            lines.append(f"{role.name}: {what}" + (f" ({role.note})" if role.note else ""))
        rest = len(self.roles) - _GUESSES_SHOWN
        return [*lines, f"... and {rest} more: see the comments there"] if rest > 0 else lines


def render(name: str, proposal: Proposal) -> str:
    """The config's text.

    Raises:
      ConfigError: No column but the label could be a feature.
    """
    spec, sample, plan = proposal.spec, proposal.sample, proposal.plan
    features = [role for role in proposal.roles if role.spec]
    left_out = [role for role in proposal.roles if not role.spec]
    if not features:
        raise ConfigError(
            "no column of the data can be a feature",
            where=spec.path,
            expected="a column that tells something about the label",
            received=some([f"{role.name} ({role.note})" for role in left_out], 4),
        )
    common = {
        "name": name,
        "target": FOLDER / f"{name}.yaml",
        "looked_at": count(sample.rows, "row"),
        "label": proposal.label,
        "plan": plan,
        "spec": spec,
        "dates": proposal.dates(),
        "guesses": proposal.guesses,
        "extra_nulls": len(spec.null_values) > len(DataSpec(path="x").null_values),
        "left_out": left_out,
        "slices": _slices(features, sample),
    }
    if proposal.series is not None:
        values = series_values(proposal.series, plan, features, sample)
        return _template("series").render(**common, **values, features=features)
    numeric = sum(role.spec.get("type") == "numeric" for role in features)
    sizing = size_for(sample.total_rows, numeric)
    kinds = {role.spec.get("type") for role in features}
    if "image" in kinds:
        sizing = replace(sizing, epochs=min(sizing.epochs, 30), patience=min(sizing.patience, 6))
    if kinds & {"image", "text"}:
        sizing = replace(sizing, refit=False)  # an encoder takes too long to be trained twice
    stratified = plan.task != "regression" and plan.rarest >= _STRATIFIED_ROWS
    return _template("config").render(
        **common,
        total_rows=sample.total_rows,
        time=first_time(proposal.roles),
        split_by="stratified" if stratified else "row",
        features=[_encoded(role, sizing.bins) for role in features],
        sizing=sizing,
        kept=[PATH_COLUMN] if spec.files else _image_paths(features, sample),
        bound=bound_for(plan, sizing),
    )


def _encoded(role: Role, bins: int) -> Role:
    """Adds the piecewise encoding to a numeric feature."""
    if role.spec.get("type") != "numeric" or not bins:
        return role
    return replace(role, spec={**role.spec, "embedding": "piecewise", "bins": bins})


def _image_paths(features: Sequence[Role], sample: Sample) -> list[str]:
    """The columns of images that hold paths, as opposed to bytes."""
    images = {role.name for role in features if role.spec.get("type") == "image"}
    return [c.name for c in sample.columns if c.name in images and not holds_files(c.values)]


def _roles(sample: Sample, label: Column, plan: LabelPlan, selection: Selection) -> list[Role]:
    names = [column.name for column in sample.columns]
    places = [source.path for source in selection.sources]
    roles = []
    for column in sample.columns:
        if column.name == label.name:
            continue
        if selection.format == "images" and column.name == PATH_COLUMN:
            roles.append(Role(column.name, {}, "where the image is"))
        elif column.kind == kinds.TEXT and holds_images(column.values):
            roles.append(image_role(column.name, _as_read(column, selection), places))
        elif plan.task != "regression" and tells_label(column, label, sample.rows):
            roles.append(Role(column.name, {}, "tells the label, value by value"))
        else:
            role = role_of(column, sample.rows, names)
            roles.append(replace(role, note=months_note(sample, column) or role.note))
            roles += calendar_roles(column, names)
    columns = {column.name: column for column in sample.columns}
    return _named_apart(only_texts(roles, columns), label.name)


def _as_read(column: Column, selection: Selection) -> pa.Array:
    """Paths as text: a column's canonical form has them as bytes."""
    paths = selection.format != "parquet" or not holds_files(column.values)
    return column.values.cast(pa.string()) if paths else column.values


def _named_apart(roles: Sequence[Role], label: str) -> list[Role]:
    """Leaves out what would have the name of another feature, once served or indicated."""
    served: dict[str, str] = {}
    apart = []
    for role in roles:
        other = served.setdefault(serving_name(role.name), role.name) if role.spec else role.name
        if other == role.name:
            apart.append(_with_served_name(role))
        else:
            apart.append(
                Role(role.name, {}, f"would be served by the same name as {other}: rename one")
            )
    taken = {role.name for role in apart if role.spec} | {label}
    return [
        replace(role, spec={key: role.spec[key] for key in role.spec if key != "missing_indicator"})
        if indicator_name(role.name) in taken
        else role
        for role in apart
    ]


def _with_served_name(role: Role) -> Role:
    """Notes the name that clients use, which in other scripts says nothing of the column's."""
    served = serving_name(role.name)
    if not role.spec or served == role.name:
        return role
    return replace(role, note="; ".join(filter(None, [role.note, f"served as {served}"])))


def _slices(features: Sequence[Role], sample: Sample) -> list[str]:
    """The features with the fewest values: each value has rows enough to judge it by."""
    counts = {
        column.name: count_distinct(column.values)
        for column in sample.columns
        if column.kind in (kinds.TEXT, kinds.INT, kinds.BOOL)
    }
    groups = [role.name for role in features if KINDS[str(role.spec["type"])].few_values]
    few = [name for name in groups if counts.get(name, _SLICE_VALUES + 1) <= _SLICE_VALUES]
    return sorted(few, key=lambda name: (counts[name], name))[:_SLICES]


def _sample(
    label: str, spec: IngestSpec, selection: Selection
) -> tuple[IngestSpec, Sample, list[FormatGuess]]:
    """The first rows, read as they are most likely meant."""
    table = read_head(spec, selection)
    guessed, guesses = guess_values(table, label, spec, selection)
    if guessed.null_values != spec.null_values:
        table = read_head(guessed, selection)
    return guessed, to_sample(table, guessed, selection), guesses


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


def _require_label(label: str, names: Sequence[str], selection: Selection, command: str) -> None:
    if label not in names:
        raise ConfigError(
            f"the label column {label!r} does not exist in the data",
            where=f"{command} --label; {selection.sources[0].path}",
            expected=f"one of: {some(list(names), 20)}",
            received=repr(label),
            fix=did_you_mean(label, names),
        )


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"text": yaml_text, "mapping": _mapping, "note": _note}
    source = resources.files("pipelines").joinpath("templates").joinpath(f"{name}.yaml.j2")
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
    return (
        "{"
        + ", ".join(f"{yaml_text(key)}: {yaml_text(value)}" for key, value in values.items())
        + "}"
    )


def _note(text: str) -> str:
    """The text as one line of a comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
