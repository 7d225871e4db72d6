"""`kelp explain`: what a model says of one row, and what each feature adds to it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts.errors import ConfigError, ModelError
from contracts.results.preview import Preview
from contracts.storage.location import address_or_path
from contracts.text import did_you_mean, shorten, some
from pipelines.commands.explained_parts import render_parts
from pipelines.execution.capture import captured
from pipelines.prediction.parts import file_columns, read_contents, weighed_views
from pipelines.prediction.raw_format import raw_format
from pipelines.prediction.single_row import (
    checked,
    checked_lists,
    row_from_file,
    row_from_text,
)
from pipelines.prediction.staged_model import staged_model

_STEPS_SHOWN = 12
_VALUE_WIDTH = 60
SERVING_ROOT = Path("serving_models")


@dataclass(frozen=True)
class Explained:
    """One prediction, explained.

    Attributes:
      content: What `--json` prints.
      views: By feature whose values are images, texts or windows, what their parts add.
    """

    content: dict[str, Any]
    views: dict[str, Preview]


def explain_row(model: str, row: str | None, data: Path | None, index: int) -> Explained:
    """Explains one row.

    Args:
      model: A SavedModel, a folder of versions, or a name under serving_models/.
      row: The row as JSON or @FILE; or None.
      data: A CSV or Parquet file that has the row; or None.
      index: The row's place in `data`, from 0.

    Returns:
      What is printed; see `render`, `to_json` and `write_page`.

    Raises:
      KelpError: the model or the row cannot be read.
    """
    if (row is None) == (data is None):
        raise ConfigError(
            "give the row in one way",
            where="kelp explain",
            expected="either --row or --data",
            received="neither" if row is None else "both",
            fix="kelp explain --help",
        )
    folder = find_model(model)
    given = None if row is None else row_from_text(row)
    # TensorFlow greets on stderr, and looks for a GPU that one row does not need.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    with TemporaryDirectory() as scratch, captured(Path(scratch) / "log"):
        from models.export.loaded_model import load_model

        loaded = load_model(folder)
        types = loaded.types()
        if given is None and data is not None:
            given = row_from_file(
                address_or_path(data),
                index,
                types,
                raw_format(folder, None, None),
                loaded.sizes(),
            )
        return _explained(loaded, given or {})


def find_model(model: str, root: Path = SERVING_ROOT) -> Path:
    """The SavedModel that is meant: the newest version where a folder has several.

    Raises:
      ConfigError: there is none.
    """
    model = staged_model(model)
    for folder in (Path(model), root / model):
        if (folder / "saved_model.pb").is_file():
            return folder
        versions = [
            path for path in folder.glob("*/") if path.name.isdecimal() and any(path.iterdir())
        ]
        if versions:
            return max(versions, key=lambda path: int(path.name))
    known = sorted({path.parent.name for path in root.glob("*/*/") if path.name.isdecimal()})
    exists = Path(model).exists()
    raise ConfigError(
        f"{model} is no SavedModel" if exists else f"there is no model {model!r}",
        where=model,
        expected="a SavedModel, such as serving_models/NAME/1, a folder of them, or a NAME"
        + (f" of: {some(known)}" if known else ""),
        received="a folder or file without saved_model.pb" if exists else "",
        fix=did_you_mean(model, known) or "`kelp run CONFIG` pushes a blessed model there",
    )


def _explained(model: Any, given: Mapping[str, Any]) -> Explained:
    from models.export.explanation import integrated_gradients

    types, files, sizes = model.types(), file_columns(model.encoding), model.sizes()
    wholes = {*files, *sizes}
    scalars = {name: value for name, value in given.items() if name not in wholes}
    row = {**dict.fromkeys(types), **{name: given[name] for name in files if name in given}}
    row |= checked_lists(given, sizes)
    row |= checked(scalars, {name: kind for name, kind in types.items() if name not in wholes})
    columns = model.columns(_table({**row, **read_contents(row, files)}, types, files, sizes))
    answers = {name: _plain(value[0]) for name, value in model.answers(columns).items()}
    about = model.encoding
    target, scale = None, f"predicted {about.label}"
    if about.task == "forecast":
        scale = f"mean of the predicted {about.label}"
    if about.task == "binary":
        scale = f"log-odds that {about.label} is {about.classes[1]}"
    elif about.task == "multiclass":
        probabilities = answers["probabilities"]
        target = probabilities.index(max(probabilities))
        scale = f"log-odds that {about.label} is {about.classes[target]}"
    if not model.is_explainable:
        raise ModelError(
            f"{model.folder} cannot be explained: its network does not join its features",
            where=str(model.folder),
            expected="a network with a flat layer `features`, as models.networks.joined_features "
            "builds",
            fix="the report of its run shows the importance of each feature",
        )
    found = integrated_gradients(model, model.encode(columns)[0], target)
    entries = [
        {
            "feature": entry.feature,
            "value": _raw_value(row, entry.columns),
            "attribution": found.by_feature[entry.feature],
        }
        for entry in about.features
    ]
    entries.sort(key=lambda entry: -abs(entry["attribution"]))
    views = weighed_views(model, columns, target)
    content = {
        "model": str(model.folder),
        "task": about.task,
        "label": about.label,
        "classes": list(about.classes),
        "prediction": answers,
        "explained": scale,
        "score": found.score,
        "reference_score": found.reference_score,
        "attributions": entries,
        "residual": found.residual,
    }
    if views:
        content["parts"] = {
            # The weights, without the pictures.
            name: view.model_dump(mode="json", include={"parts", "heat", "note"})
            for name, view in views.items()
        }
    return Explained(content, views)


def _table(
    row: Mapping[str, Any],
    types: Mapping[str, str],
    files: Mapping[str, str],
    sizes: Mapping[str, int],
) -> pa.Table:
    scalars = {"number": pa.float32(), "integer": pa.int64(), "text": pa.string()}
    special = dict.fromkeys(files, pa.binary()) | dict.fromkeys(sizes, pa.list_(pa.float32()))
    return pa.table(
        {
            name: pa.array([value], special[name] if name in special else scalars[types[name]])
            for name, value in row.items()
        }
    )


def _raw_value(row: Mapping[str, Any], columns: Sequence[str]) -> Any:
    """The value of a feature's one raw column, or those of several by name."""
    if len(columns) == 1:
        value = row[columns[0]]
        # Of a table's image there is a picture below.
        return f"{len(value):,} bytes" if isinstance(value, bytes) else value
    return {column: row[column] for column in columns}


def _plain(value: Any) -> Any:
    plain = value.tolist() if hasattr(value, "tolist") else value
    return plain.decode() if isinstance(plain, bytes) else plain


def to_json(explained: Explained) -> str:
    """The explanation as one JSON object."""
    return json.dumps(explained.content, indent=2, allow_nan=False)


def write_page(target: Path, explained: Explained) -> None:
    """Writes the explanation as one HTML file."""
    from report.explanation import write_explanation

    write_explanation(target, explained.content, explained.views)


def render(whole: Explained, console: Console) -> None:
    """Prints the prediction, a table of the features, and the parts of what is no scalar."""
    explained = whole.content
    console.print(f"[bold]{escape(explained['model'])}[/bold]")
    for line in _prediction(explained):
        console.print(escape(line))
    table = Table(title=f"What each feature adds to the {escape(explained['explained'])}")
    table.add_column("feature", style="bold", overflow="fold")
    table.add_column("value", justify="right", overflow="fold")
    table.add_column("adds", justify="right", no_wrap=True)
    for entry in explained["attributions"]:
        value = escape(_raw_text(entry["value"]))
        table.add_row(escape(entry["feature"]), value, f"{entry['attribution']:+.4f}")
    table.add_section()
    table.add_row("an average row", "", f"{explained['reference_score']:+.4f}")
    table.add_row("this row", "", f"{explained['score']:+.4f}")
    console.print(table)
    for name, view in whole.views.items():
        render_parts(name, view, console)


def _prediction(explained: Mapping[str, Any]) -> list[str]:
    answers, label = explained["prediction"], explained["label"]
    if explained["task"] == "regression":
        return [f"{label}: {answers['predictions']:,.6g}"]
    if explained["task"] == "forecast":
        points = answers["predictions"]
        shown = ", ".join(f"{point:,.6g}" for point in points[:_STEPS_SHOWN])
        return [f"{label}: {shown}" + (", ..." if len(points) > _STEPS_SHOWN else "")]
    lines = [f"{label}: {answers['classes']}"]
    if explained["task"] == "binary":
        return [*lines, f"P({label} = {explained['classes'][1]}): {answers['probabilities']:.4f}"]
    return lines + [
        f"P({label} = {name}): {part:.4f}"
        for name, part in zip(explained["classes"], answers["probabilities"], strict=True)
    ]


def _raw_text(value: Any) -> str:
    """A raw value, cut short: text in quotes, a number without."""
    if value is None:
        return "missing"
    if isinstance(value, str):
        return shorten(value, _VALUE_WIDTH)
    text = _figure(value)
    return text if len(text) <= _VALUE_WIDTH else text[: _VALUE_WIDTH - 3] + "..."


def _figure(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
