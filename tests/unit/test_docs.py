"""The documentation: its blocks of a config load, and its commands exist."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from components.data_gate.config import AuditSpec
from models.content.config import ImagesAuditSpec, TextsAuditSpec
from models.encoders.images import backbone
from models.encoders.texts.bert import PretrainedText
from models.encoders.windows.cnn import CnnEncoder
from models.encoders.windows.recurrent import GruEncoder, LstmEncoder
from models.encoders.windows.transformer import TransformerEncoder
from models.stresses.windows import MissingSteps, ShiftedClock, Spikes, StuckSensor
from models.training.config import TeacherSpec, TrainingSpec
from pipelines.cli import cli
from pipelines.config.problem import load_config

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"
_PHOTO = {"type": "image", "height": 128, "width": 128}
_TABLE = {
    "name": "demo",
    "task": "binary",
    "label": {"name": "y"},
    "data": {"path": "data.parquet"},
    "features": {"x": {"type": "numeric"}},
}
_SERIES = {
    **_TABLE,
    "task": "forecast",
    "label": {"name": "load", "history": "load_past"},
    "data": {
        "path": "data.parquet",
        "series": {"time": "time", "context": 168, "horizon": 24, "known": ["wind"]},
        "dates": {"time": {"parts": ["hour", "days"]}},
    },
    "features": {"load_past": {"type": "window"}},
}
_CONTENTS = {**_TABLE, "features": {"photo": _PHOTO, "review": {"type": "text"}}}
_BASES = {
    "text.md": _TABLE,
    "images.md": _TABLE,
    "contents.md": _CONTENTS,
    "series.md": _SERIES,
    "forecasts.md": _SERIES,
}


def _configs() -> Iterator[Any]:
    """Each block, on top of the page's earlier ones."""
    for page, base in _BASES.items():
        config = base
        text = (DOCS / page).read_text(encoding="utf-8")
        for place, block in enumerate(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)):
            config = _joined(config, yaml.safe_load(textwrap.dedent(block)))
            yield pytest.param(config, id=f"{page}-{place}")


def _joined(config: Mapping[str, Any], block: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a block in place of those of the config, or beside them."""
    if "encoder" in block:
        return {**config, "features": {"photo": {**_PHOTO, **block}}}
    parts = {key: {**config[key], **block.get(key, {})} for key in ("data", "features")}
    return {**config, **block, **parts}


@pytest.mark.parametrize("config", [*_configs()])
def test_a_block_of_a_config_loads(
    config: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The weights that the pages name are not in the repository.
    weights = tmp_path / "weights.h5"
    weights.touch()
    monkeypatch.setattr(backbone, "download_weights", lambda file, digest: str(weights))
    monkeypatch.setattr(PretrainedText, "check", lambda self, *keys: None)
    monkeypatch.setattr(PretrainedText, "sha256", lambda self: "0" * 64)
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    load_config(path)


_SPECS = [
    ("forecasts.md", r"filters", {"cnn": CnnEncoder}),
    ("forecasts.md", r"units", {"lstm": LstmEncoder, "gru": GruEncoder}),
    ("forecasts.md", r"width", {"transformer": TransformerEncoder}),
    ("series.md", r"rate", {"missing_steps": MissingSteps}),
    ("series.md", r"part", {"stuck": StuckSensor}),
    ("series.md", r"scale", {"spikes": Spikes}),
    ("series.md", r"steps", {"shifted_clock": ShiftedClock}),
]


@pytest.mark.parametrize(("page", "key", "specs"), _SPECS)
def test_defaults_in_a_row_of_a_table(page: str, key: str, specs: Mapping[str, Any]) -> None:
    heads = "|".join(specs)
    text = (DOCS / page).read_text(encoding="utf-8")
    (row,) = (
        line
        for line in text.splitlines()
        if re.match(rf"\| `(?:{heads})`", line) and f"`{key}: " in line
    )
    defaults = yaml.safe_load("{" + ", ".join(re.findall(r"`(\w+: [^`]+)`", row)) + "}")
    assert key in defaults
    for spec in specs.values():
        assert {name: spec.model_fields[name].default for name in defaults} == defaults


def test_defaults_of_the_audits() -> None:
    text = (DOCS / "contents.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (`(?:images|texts)\.[^|]*`) \|[^|]*\| (\w+) ([^|]*) \|", text, re.MULTILINE
    )
    defaults = AuditSpec()
    named = set()
    for checks, severity, bound in rows:
        share = re.match(r"above ([\d.]+) %", bound)
        for kind, check in re.findall(r"`(\w+)\.(\w+)`", checks):
            spec = getattr(getattr(defaults, kind), check)
            assert (spec.severity + "s", spec.max_share) == (
                severity,
                pytest.approx(float(share[1]) / 100) if share else 0.0,
            ), check
            named.add(f"{kind}.{check}")
    parts = {"images": ImagesAuditSpec, "texts": TextsAuditSpec}
    assert named == {f"{kind}.{key}" for kind in parts for key in parts[kind].model_fields} - {
        "images.rows",
        "texts.rows",
    }


def test_defaults_of_the_training() -> None:
    text = (DOCS / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*`) \| ([^|]*) \|", text, re.MULTILINE)
    assert len(rows) > 20
    named = set()
    for keys, values in rows:
        received = [yaml.safe_load(value.replace("`", "")) for value in values.split(",")]
        for key, value in zip(re.findall(r"`([\w.]+)`", keys), received, strict=True):
            default: Any = TrainingSpec()
            for name in key.split("."):
                default = getattr(default, name)
            assert value == default, key
            named.add(key.split(".")[0])
    assert named == set(TrainingSpec.model_fields)


def test_defaults_of_the_teacher() -> None:
    text = (DOCS / "training.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `teacher` .*?`(\{.*?\})`", text, re.MULTILINE)
    assert TeacherSpec().model_dump() == yaml.safe_load(row)


def _commands() -> Iterator[Any]:
    for path in [*sorted(DOCS.glob("*.md")), REPOSITORY / "README.md"]:
        text = path.read_text(encoding="utf-8")
        spans = re.findall(r"`(kelp [^`]+)`", text)
        spans += re.findall(r"^\$ (kelp .*(?:\\\n.*)*)", text, re.MULTILINE)
        for span in dict.fromkeys(spans):
            yield pytest.param(span, id=f"{path.name}-{' '.join(span.split())[:60]}")


@pytest.mark.parametrize("span", [*_commands()])
def test_a_command_exists(span: str) -> None:
    words = shlex.split(re.split(r"\||\s#|&&", span.replace("\\\n", " "))[0])[1:]
    command: click.Command = cli
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        known = command.commands
        assert words[0] in known, f"Invalid command in the docs. Expected: one of {sorted(known)}"
        command = known[words.pop(0)]
    options = {
        name: parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= {*options, "--help", "--version"}
    if any(not word.startswith("-") for word in words):
        missing = [p.opts for p in options.values() if p.required and not given & {*p.opts}]
        assert not missing, f"Invalid command in the docs. Expected the options {missing}"


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "page",
    [*sorted(DOCS.rglob("*.md")), REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md"],
    ids=lambda page: page.name,
)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        if anchor:
            assert anchor in _anchors(path), link
