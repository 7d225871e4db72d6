"""`kelp advise`: whether a table needs a network at all, before there is one."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts.errors import ConfigError
from contracts.results.evidence import Interval
from evidence.advice import Compared
from evidence.wording import with_interval
from models.data.dates import calendar_part
from models.data.text import text_of
from models.features.spec import FeaturesSpec
from pipelines.commands.init import Proposal, propose
from pipelines.execution.capture import captured
from pipelines.recognition.sample import Column

if TYPE_CHECKING:
    from pipelines.recognition.outlook import Outlook


def advise(data: str, label: str) -> Outlook:
    """Looks at data as `kelp init` does, and fits baseline models on them.

    Args:
      data: A CSV or Parquet file, a folder, a glob, or a pattern with `{SPAN}`.
      label: The column to predict.

    Raises:
      ConfigError: The label will not do, or no column could be a feature.
      DataError: The data cannot be read or learned from.
    """
    proposal = propose(data, label, "kelp advise")
    problem = problem_of(proposal)
    total_rows = proposal.sample.total_rows
    # TensorFlow greets on stderr.
    with TemporaryDirectory() as scratch, captured(Path(scratch) / "log"):
        from pipelines.recognition.outlook import outlook_of

        return outlook_of(table_of(proposal), problem, total_rows=total_rows)


def problem_of(proposal: Proposal) -> FeaturesSpec:
    """The features and the label as the config of `kelp init` would have them.

    Raises:
      ConfigError: No column but the label could be a feature.
    """
    features = {role.name: dict(role.spec) for role in proposal.roles if role.spec}
    image = next((name for name, keys in features.items() if keys["type"] == "image"), None)
    if image is not None:
        raise ConfigError(
            f"the images of {image!r} need a network: baseline models cannot tell what it gains",
            where="kelp advise",
            expected="a table of numbers, categories, dates and texts",
            fix="`kelp init` and `kelp run`: the report compares the network with them",
        )
    if not features:
        raise ConfigError(
            "no column of the data can be a feature",
            where=proposal.spec.path,
            expected="a column that tells something about the label",
        )
    label: dict[str, Any] = {"name": proposal.label.name}
    if proposal.plan.classes:
        label["classes"] = list(proposal.plan.classes)
    return FeaturesSpec.model_validate(
        {"task": proposal.plan.task, "label": label, "features": features}
    )


def table_of(proposal: Proposal) -> pa.Table:
    """The sampled rows, with the parts of dates that are features."""
    columns = {column.name: column for column in proposal.sample.columns}
    table = {name: _values(column) for name, column in columns.items()}
    for role in proposal.roles:
        moments = columns[role.source].moments if role.source else None
        if role.spec and moments is not None:
            table[role.name] = calendar_part(moments, role.part)
    return pa.table(table)


def _values(column: Column) -> pa.Array:
    is_text = pa.types.is_binary(column.values.type)
    return text_of(column.values) if is_text else column.values


def to_json(outlook: Outlook) -> str:
    """The advice and its figures as JSON."""
    figures = outlook.figures
    content = outlook.advice.model_dump(mode="json") | {
        "rows": outlook.rows,
        "metric": figures.metric,
        "trees": figures.judged.ends(),
        "linear": _compared(figures.linear),
        "constant": _compared(figures.constant),
        "wrong_labels": figures.wrong_labels.ends() if figures.wrong_labels else None,
        "curve": figures.curve.model_dump(mode="json") if figures.curve else None,
    }
    return json.dumps(content, indent=2)


def _compared(rival: Compared | None) -> dict[str, Any] | None:
    if rival is None:
        return None
    return {"metric": rival.metric.ends(), "trees_better_by": rival.gain.ends()}


def render(outlook: Outlook, console: Console) -> None:
    """Prints the figures and the paragraph."""
    figures = outlook.figures
    rows = ", ".join(f"{name} {count:,}" for name, count in outlook.rows.items())
    table = Table(title=f"{figures.metric} of baseline models ({rows})")
    table.add_column("model", style="bold")
    table.add_column(figures.metric, justify="right")
    table.add_column("trees better by", justify="right")
    table.add_row("trees", _text(figures.judged), "")
    for name, rival in (("linear", figures.linear), ("constant", figures.constant)):
        if rival is not None:
            table.add_row(name, _text(rival.metric), _text(rival.gain, "+"))
    console.print(table)
    if figures.curve is not None:
        curve = Table(title=f"learning curve of the {figures.curve.model} baseline")
        curve.add_column("rows of train", justify="right")
        curve.add_column(figures.metric, justify="right")
        for point in figures.curve.points:
            curve.add_row(f"{point.rows:,}", _text(point.metric))
        expected = f"{2 * figures.curve.train_rows:,} (expected)"
        curve.add_row(expected, _text(figures.curve.doubled))
        console.print(curve)
    console.print(escape(outlook.advice.paragraph))


def _text(interval: Interval, sign: str = "") -> str:
    return escape(with_interval(interval.value, interval, sign))
