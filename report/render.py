"""Writes the report: one template, one file, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import inspect
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from contracts.files import write_atomically
from contracts.results.summary import Summary
from report import formats
from report.charts.charts import charts_of
from report.content import gather
from report.sections.advice import label_of
from report.sections.model import slice_name
from report.sources import Sources, read_sources

REPORT_FILE = "report.html"
_TONES = {
    "pass": "good",
    "block": "bad",
    "warn": "warn",
    "insufficient": "none",
    "off": "none",
}
_WORDS = {
    "pass": "passed",
    "block": "blocked",
    "warn": "warning",
    "insufficient": "not judged",
    "off": "off",
}


def write_report(
    folder: Path, summary: Summary, folders: Mapping[str, Path] | Mapping[str, str]
) -> Path:
    """Writes `report.html` into a run folder, all of it or nothing, and gives its path.

    Args:
      folder: The run folder; its `config.yaml` is shown where there is one.
      summary: The run's summary; of a failed run too.
      folders: By key (evidence, data_verdict, model_run, statistics, baselines, stress,
        folds, pushed), the folder of the artifact; what is not there is reported as missing.
    """
    page = render(read_sources(folder, summary, folders))
    target = folder / REPORT_FILE
    write_atomically(target, page)
    return target


def render(sources: Sources) -> str:
    """The page as text."""
    report = gather(sources)
    script = _asset("report.js")
    # What the page's security policy knows its only script by.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return fill_template(
        "report.html.j2",
        report=report,
        charts=charts_of(report),
        script=script,
        script_hash=f"sha256-{digest}",
    )


def fill_template(name: str, /, **values: Any) -> str:
    """A page from a template, with the style that all pages have."""
    return _environment().get_template(name).render(style=_asset("report.css"), **values)


def _asset(name: str) -> Markup:
    """A style or a script of the templates, to be put into a page."""
    place = resources.files("report").joinpath("templates").joinpath(name)
    return Markup(place.read_text(encoding="utf-8"))


@functools.cache
def _environment() -> jinja2.Environment:
    """Where templates are found, and the filters that they use: all formats among them."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= inspect.getmembers(formats, inspect.isfunction)
    environment.filters |= {
        "heading": formats.title,
        "tone": lambda outcome: _TONES.get(outcome, "none"),
        "word": lambda outcome: _WORDS.get(outcome, outcome),
        "slice_name": slice_name,
        "advice_label": label_of,
    }
    return environment
