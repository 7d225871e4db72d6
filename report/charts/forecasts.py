"""Drawings of forecasts: by step of the horizon, and windows beside what came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from contracts.results.forecast import ForecastEvidence, ForecastExample
from report.charts import svg
from report.charts.plots import Axis, Line, lines, plane
from report.charts.svg import Chart
from report.formats import number, percent, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (svg.SECOND, svg.THIRD, svg.FOURTH, svg.FIFTH, svg.MUTED)
_MARGIN = 0.08
_HEIGHT = 230.0
_RANKS = {1.0: "The worst window", 0.5: "A typical window"}


def horizon_charts(forecast: ForecastEvidence) -> Iterator[Chart]:
    """Draws errors by step, and coverage by step."""
    steps = [entry.step for entry in forecast.steps]
    alt = f"Mean absolute error at each of {len(steps)} steps: the candidate's, and of others"
    yield Chart("Mean absolute error by step", _errors("horizon-errors", alt, forecast))
    covered = [entry.coverage for entry in forecast.steps]
    if all(share is None for share in covered):
        return
    nominal = forecast.quantiles[-1] - forecast.quantiles[0]
    line = Line("candidate", steps, covered, svg.FIRST, points=len(steps) == 1)
    level = Line("asked for", steps, [nominal] * len(steps), svg.MUTED, dashed=True)
    lowest = min(share for share in covered if share is not None)
    axis = Axis("share within", min(lowest, nominal) - _MARGIN, 1.02)
    alt = f"Coverage of the {percent(nominal, 0)} interval at each of {len(steps)} steps"
    drawn = lines("horizon-coverage", alt, [line, level], Axis("step of the horizon"), axis)
    yield Chart(f"Coverage of the {percent(nominal, 0)} interval by step", drawn)


def _errors(name: str, alt: str, forecast: ForecastEvidence) -> Markup:
    """The candidate's errors with their band, and those of each baseline model."""
    steps = [entry.step for entry in forecast.steps]
    lows = [entry.mae if entry.low is None else entry.low for entry in forecast.steps]
    highs = [entry.mae if entry.high is None else entry.high for entry in forecast.steps]

    def paint(figure: Figure) -> None:
        axes = _plane(figure)
        axes.fill_between(steps, lows, highs, color=svg.FIRST, alpha=0.18, linewidth=0)
        marker = "o" if len(steps) == 1 else None
        for colour, (rival, errors) in zip(_COLOURS, forecast.baselines.items(), strict=False):
            label = svg.text(title(rival))
            axes.plot(steps, errors, color=colour, linewidth=1.3, marker=marker, label=label)
        own = [entry.mae for entry in forecast.steps]
        axes.plot(steps, own, color=svg.FIRST, linewidth=2, marker=marker, label="Candidate")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step of the horizon")
        axes.set_ylabel("mean absolute error")
        axes.legend(loc="best", labelcolor=svg.INK, handlelength=1.6, ncols=2)

    return svg.draw(name, alt, _HEIGHT + 40, paint)


def example_charts(forecast: ForecastEvidence) -> Iterator[Chart]:
    """Draws each example."""
    lines_of_all = [line for entry in forecast.examples for line in (entry.actual, *entry.levels)]
    values = [value for line in lines_of_all for value in line]
    margin = _MARGIN * (max(values, default=0) - min(values, default=0)) or 1.0
    ends = (min(values, default=0) - margin, max(values, default=0) + margin)
    for place, example in enumerate(forecast.examples):
        share = percent(example.rank, 0)
        heading = _RANKS.get(example.rank, f"A window with an error above {share} of them")
        where = ", ".join(f"{name} = {value}" for name, value in example.keys.items())
        note = f"MAE {number(example.mae)}" + (f"; {where}" if where else "")
        alt = f"{heading}: forecast and what came, over {len(example.actual)} steps; {note}"
        yield Chart(heading, _example(f"forecast-{place}", alt, example, ends), note)


def _example(name: str, alt: str, example: ForecastExample, ends: Sequence[float]) -> Markup:
    steps = range(1, len(example.actual) + 1)
    middle = len(example.levels) // 2

    def paint(figure: Figure) -> None:
        axes = _plane(figure)
        for low, high in zip(example.levels[:middle], reversed(example.levels), strict=False):
            axes.fill_between(steps, low, high, color=svg.FIRST, alpha=0.18, linewidth=0)
        point = example.levels[middle]
        axes.plot(steps, point, color=svg.FIRST, linewidth=1.8, label="forecast")
        axes.plot(steps, example.actual, color=svg.INK, linewidth=1.3, label="what came")
        axes.set_ylim(*ends)
        axes.set_xlabel("step of the horizon")
        axes.legend(loc="best", labelcolor=svg.INK, handlelength=1.6)

    return svg.draw(name, alt, _HEIGHT, paint)


def _plane(figure: Figure) -> Axes:
    from matplotlib.ticker import MaxNLocator

    axes = plane(figure, 52, 40)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return axes
