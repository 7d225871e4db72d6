"""The kinds of charts that the report is made of: lines, forests, bars, reliability."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from contracts.results.evidence import CalibrationBin
from report.charts import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW = 19.0
_LETTER = 5.9
_MOST_LABEL = 168.0
_LINE = 12.0


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    colour: str
    dashed: bool = False
    points: bool = False


@dataclass(frozen=True)
class Mark:
    """One row of a forest: a value with its interval."""

    label: str
    value: float
    low: float | None
    high: float | None
    colour: str = svg.FIRST


@dataclass(frozen=True)
class Axis:
    """How a chart's axis is named and bounded.

    `letters` is the room for the labels of rows: that of the longest where it is 0.
    """

    label: str = ""
    low: float | None = None
    high: float | None = None
    letters: int = 0


def plane(figure: Figure, left: float, bottom: float, right: float = 10, top: float = 8) -> Axes:
    """Axes at margins given in pixels."""
    width, height = figure.get_size_inches() * 72
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
    return figure.add_axes(box)


def lines(
    name: str,
    alt: str,
    shown: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    diagonal: bool = False,
    mark: float | None = None,
    height: float = 230,
) -> Markup:
    """A chart of lines; `mark` is a place on x to point out."""

    def paint(figure: Figure) -> None:
        axes = plane(figure, 52, 40)
        if diagonal:
            axes.plot([0, 1], [0, 1], color=svg.MUTED, linewidth=1, linestyle=(0, (2, 3)))
        if mark is not None:
            axes.axvline(mark, color=svg.MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for line in shown:
            _plot(axes, line)
        _limit(axes, x, y)
        if len(shown) > 1:
            axes.legend(loc="best", labelcolor=svg.INK, handlelength=1.8)

    return svg.draw(name, alt, height, paint)


def _plot(axes: Axes, line: Line) -> None:
    axes.plot(
        line.x,
        _values(line),
        color=line.colour,
        linewidth=1.8,
        linestyle=(0, (5, 2.5)) if line.dashed else "solid",
        marker="o" if line.points else None,
        markersize=3.6,
        label=svg.text(line.label),
    )


def _values(line: Line) -> list[float]:
    return [float("nan") if value is None else value for value in line.y]


def _limit(axes: Axes, x: Axis, y: Axis, *, log: bool = False) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator

    axes.set_xlabel(svg.text(x.label))
    axes.set_ylabel(svg.text(y.label))
    axes.set_xlim(x.low, x.high)
    axes.set_ylim(y.low, y.high)
    whole = x.label == "epoch"
    ticks = LogLocator() if log else MaxNLocator(6, integer=whole, min_n_ticks=1)
    axes.xaxis.set_major_locator(ticks)
    axes.yaxis.set_major_locator(MaxNLocator(5))


def forest(
    name: str, alt: str, marks: Sequence[Mark], axis: Axis, reference: float | None = None
) -> Markup:
    """Values with intervals, one a row; `reference` is the line to compare them with."""
    height = 46 + _row_height([mark.label for mark in marks], axis.letters) * len(marks)

    def paint(figure: Figure) -> None:
        axes = _rows_axes(figure, [mark.label for mark in marks], axis.letters)
        if reference is not None:
            axes.axvline(reference, color=svg.MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        for place, mark in enumerate(marks):
            if mark.low is not None and mark.high is not None:
                ends = [mark.low, mark.high]
                axes.plot(ends, [place, place], color=mark.colour, linewidth=2.2, alpha=0.55)
            axes.plot(mark.value, place, "o", color=mark.colour, markersize=5.2)
        axes.set_xlim(axis.low, axis.high)
        axes.set_xlabel(svg.text(axis.label, 60))

    return svg.draw(name, alt, height, paint)


def bars(name: str, alt: str, values: Sequence[tuple[str, float]], axis: Axis) -> Markup:
    """Horizontal bars, one a row."""
    height = 46 + _row_height([label for label, _ in values], axis.letters) * len(values)

    def paint(figure: Figure) -> None:
        axes = _rows_axes(figure, [label for label, _ in values], axis.letters)
        places = range(len(values))
        start = axis.low or 0.0
        widths = [value - start for _, value in values]
        axes.barh(places, widths, left=start, height=0.58, color=svg.FIRST)
        axes.set_xlim(axis.low, axis.high)
        axes.set_xlabel(svg.text(axis.label, 60))

    return svg.draw(name, alt, height, paint)


def _label_width(labels: Sequence[str], letters: int) -> float:
    return min(_MOST_LABEL, 14 + _LETTER * (letters or max(map(len, labels), default=0)))


def _label_lines(label: str, width: float) -> list[str]:
    """A row's label, on two lines where one is too short for it; what remains is cut."""
    most = int((width - 12) / _LETTER)
    plain = svg.text(label, 2 * most)
    if len(plain) <= most:
        return [plain]
    first, *rest = textwrap.wrap(plain, most)
    return [first, svg.text(" ".join(rest), most)] if rest else [first]


def _row_height(labels: Sequence[str], letters: int) -> float:
    width = _label_width(labels, letters)
    lines = max((len(_label_lines(label, width)) for label in labels), default=1)
    return _ROW + _LINE * (lines - 1)


def _rows_axes(figure: Figure, labels: Sequence[str], letters: int) -> Axes:
    from matplotlib.ticker import MaxNLocator

    width = _label_width(labels, letters)
    axes = plane(figure, width, 38, top=4)
    shown = ["\n".join(_label_lines(label, width)) for label in labels]
    axes.set_yticks(range(len(labels)), shown)
    axes.tick_params(axis="y", length=0, labelcolor=svg.INK)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    return axes


def growth(
    name: str,
    alt: str,
    measured: tuple[Sequence[int], Sequence[Mark]],
    law: tuple[Sequence[int], Sequence[Mark]],
    label: str,
    known: float,
) -> Markup:
    """A curve over rows on a log scale: points with intervals, and a line with its band.

    Args:
      name: Of the drawing.
      alt: What a reader who cannot see it needs to know.
      measured: The rows of the points, and the points.
      law: The rows of the line, and its values with their band.
      label: Of the upright axis.
      known: The place from which on the line is an extrapolation.
    """

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

        axes = plane(figure, 60, 40, right=16)
        rows, line = law
        lows = [mark.value if mark.low is None else mark.low for mark in line]
        highs = [mark.value if mark.high is None else mark.high for mark in line]
        axes.fill_between(rows, lows, highs, color=svg.FIRST, alpha=0.18, linewidth=0)
        axes.plot(rows, [mark.value for mark in line], color=svg.FIRST, linewidth=1.8)
        axes.axvline(known, color=svg.MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for place, mark in zip(*measured, strict=True):
            if mark.low is not None and mark.high is not None:
                ends = [mark.low, mark.high]
                axes.plot([place, place], ends, color=svg.SECOND, linewidth=2.2, alpha=0.55)
            axes.plot(place, mark.value, "o", color=svg.SECOND, markersize=5.2)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator([*measured[0], rows[-1]]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: _short_count(value))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("rows of train")
        axes.set_ylabel(svg.text(label))

    return svg.draw(name, alt, 250, paint)


def sweep(
    name: str,
    alt: str,
    measured: Line,
    smoothed: Line,
    marks: Sequence[tuple[str, float, str]],
    height: Axis,
) -> Markup:
    """A curve over learning rates on a log scale, with its measurements and marked places.

    Args:
      name: Of the drawing.
      alt: What a reader who cannot see it needs to know.
      measured: Drawn as dots.
      smoothed: Drawn as a line.
      marks: Places on x, each with its label and colour.
      height: The upright axis.
    """

    def paint(figure: Figure) -> None:
        axes = plane(figure, 56, 40, right=14)
        axes.set_xscale("log")
        dots, colour = _values(measured), measured.colour
        axes.plot(measured.x, dots, ".", color=colour, markersize=3.2, alpha=0.55)
        for label, place, colour in marks:
            axes.axvline(place, color=colour, linewidth=1.6, linestyle=(0, (4, 3)), label=label)
        _plot(axes, smoothed)
        _limit(axes, Axis("learning rate"), height, log=True)
        axes.xaxis.set_major_formatter(lambda value, _: _power(value))
        axes.legend(loc="lower left", labelcolor=svg.INK, handlelength=1.8)

    return svg.draw(name, alt, 280, paint)


def _power(value: float) -> str:
    return f"{value:g}" if value >= 1 else f"{value:.0e}".replace("e-0", "e-")


def _short_count(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 10_000 else f"{value:,.0f}"


def reliability(name: str, alt: str, bins: Sequence[CalibrationBin]) -> Markup:
    """Predicted against observed shares, and how many rows each bin has."""

    def paint(figure: Figure) -> None:
        upper = plane(figure, 52, 118)
        upper.plot([0, 1], [0, 1], color=svg.MUTED, linewidth=1, linestyle=(0, (2, 3)))
        predicted = [one.predicted for one in bins]
        for one in bins:
            x, ends = one.predicted, [one.observed_low, one.observed_high]
            upper.plot([x, x], ends, color=svg.FIRST, linewidth=2.2, alpha=0.5)
        upper.plot(
            predicted,
            [one.observed for one in bins],
            color=svg.FIRST,
            marker="o",
            markersize=4.6,
            linewidth=1.4,
        )
        _limit(upper, Axis("", 0, 1), Axis("observed share", 0, 1))
        upper.tick_params(axis="x", labelbottom=False)
        lower = plane(figure, 52, 40, top=218)
        left, right = [one.low for one in bins], [one.high for one in bins]
        widths = [0.92 * (high - low) for low, high in zip(left, right, strict=True)]
        lower.bar(
            [(low + high) / 2 for low, high in zip(left, right, strict=True)],
            [one.rows for one in bins],
            width=widths,
            color=svg.FIRST,
            alpha=0.45,
        )
        lower.set_yscale("log")
        lower.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        lower.set_xlim(0, 1)
        lower.set_xlabel("predicted probability (bars: rows, on a log scale)")
        lower.minorticks_off()

    return svg.draw(name, alt, 310, paint)
