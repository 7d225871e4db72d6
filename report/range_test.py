"""The page of a learning-rate range test: one file, nothing loaded from anywhere."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from contracts.files import write_atomically
from contracts.results.range_test import RangeTest
from report.charts import plots, svg
from report.charts.plots import Axis, Line
from report.charts.svg import Chart
from report.render import fill_template

PAGE_FILE = "learning_rate.html"
RULE = (
    "The recommended rate is that of the steepest fall of the smoothed loss, and at most a tenth "
    "of the rate at which that loss is lowest. It is the peak of the schedule."
)


def write_page(folder: Path, found: RangeTest, name: str, key: str) -> Path:
    """Writes the page, all of it or nothing, and gives its path.

    Args:
      folder: Where to.
      found: What the sweep came to.
      name: Of the pipeline.
      key: The config's key of the learning rate.
    """
    page = fill_template(
        "range_test.html.j2",
        found=found,
        name=name,
        key=key,
        rule=RULE,
        charts=[Chart("Training loss while the learning rate rises", draw(found))],
    )
    target = folder / PAGE_FILE
    write_atomically(target, page)
    return target


def draw(found: RangeTest) -> Markup:
    """Draws losses, their smoothed curve, and the rates that matter."""
    marks = [
        ("recommended", found.recommended, svg.GOOD),
        ("config", found.current, svg.MUTED),
        ("lowest loss", found.lowest, svg.SECOND),
    ]
    if found.diverges is not None:
        marks.append(("diverges", found.diverges, svg.BAD))
    alt = (
        f"training loss by learning rate from {found.rates[0]:.1g} to {found.rates[-1]:.1g}; "
        f"recommended {found.recommended:g}"
    )
    bottom, start = min(found.smoothed), found.smoothed[0]
    room = start - bottom
    height = Axis("training loss", bottom - 0.6 * room, start + 0.4 * room)
    return plots.sweep(
        "range-test",
        alt,
        Line("a step", found.rates, found.losses, svg.FIRST),
        Line("smoothed", found.rates, found.smoothed, svg.FIRST),
        [mark for mark in marks if found.rates[0] <= mark[1] <= found.rates[-1]],
        height,
    )
