"""A cloud of named points with the front of those that no other beats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from report.charts import svg
from report.formats import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 330.0
_LABEL, _LETTER, _LINE = 9.0, 5.2, 11.0
_DISTANCES = (7.0, 15.0, 26.0, 40.0)
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_FAR = _DISTANCES[0] * 1.5

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Point:
    """A named point; `low` and `high` are the ends of its whisker."""

    label: str
    x: float
    y: float
    low: float | None
    high: float | None
    good: bool


@dataclass(frozen=True)
class Cloud:
    """What a scatter shows.

    Attributes:
      points: All points.
      front: The labels of those on the front, from left to right.
      x: The label of the axis to the right.
      y: The label of the axis upwards.
      write: Writes a value of x.
      reference: A value of y to compare the points with.
    """

    points: Sequence[Point]
    front: Sequence[str]
    x: str
    y: str
    write: Callable[[float], str]
    reference: float | None = None


def scatter(name: str, alt: str, cloud: Cloud) -> Markup:
    """Draws the points over a logarithmic x; those far below or above stand at the edge."""

    def paint(figure: Figure) -> None:
        width = svg.WIDTH
        axes = figure.add_axes((58 / width, 42 / _HEIGHT, 1 - 68 / width, 1 - 72 / _HEIGHT))
        low, high = _limits(cloud)
        axes.set_ylim(low, high)
        _x_axis(axes, cloud)
        axes.set_ylabel(svg.text(cloud.y))
        if cloud.reference is not None:
            axes.axhline(cloud.reference, color=svg.MUTED, linewidth=1, linestyle=(0, (4, 3)))
        _front(axes, cloud)
        for point in cloud.points:
            _mark(axes, point, low, high)
        _legend(axes, cloud)
        _label(axes, cloud, low, high)

    return svg.draw(name, alt, _HEIGHT, paint)


def outside(cloud: Cloud) -> bool:
    """Whether a point is farther up or down than the scatter shows."""
    low, high = _limits(cloud)
    return any(not low <= point.y <= high for point in cloud.points)


def _limits(cloud: Cloud) -> tuple[float, float]:
    """Those of the good points: one that is far off would squeeze them into a line."""
    shown = [point for point in cloud.points if point.good] or list(cloud.points)
    ends = [end for one in shown for end in (one.y, one.low, one.high) if end is not None]
    if cloud.reference is not None:
        ends.append(cloud.reference)
    margin = 0.22 * (max(ends) - min(ends)) or 0.01 * abs(max(ends)) or 1.0
    return min(ends) - margin, max(ends) + margin


def _x_axis(axes: Axes, cloud: Cloud) -> None:
    places = [point.x for point in cloud.points]
    low, high = min(places) / 1.35, max(places) * 1.35
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks(_ticks(low, high))
    axes.xaxis.set_major_formatter(lambda value, _: cloud.write(value))
    axes.minorticks_off()
    axes.set_xlabel(svg.text(cloud.x, 60))
    axes.locator_params(axis="y", nbins=6)


def _ticks(low: float, high: float) -> list[float]:
    """Round values, as close together as there is room for."""
    from math import floor, log10

    from matplotlib.ticker import MaxNLocator

    powers = range(floor(log10(low)), floor(log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 5:
            break
    if len(ticks) >= 2:
        return ticks
    even = MaxNLocator(4).tick_values(low, high)
    return [float(tick) for tick in even if low <= tick <= high]


def _front(axes: Axes, cloud: Cloud) -> None:
    by_label = {point.label: point for point in cloud.points}
    points = [by_label[label] for label in cloud.front]
    if not points:
        return
    right = axes.get_xlim()[1]
    axes.plot(
        [*(point.x for point in points), right],
        [*(point.y for point in points), points[-1].y],
        drawstyle="steps-post",
        color=svg.THIRD,
        linewidth=1.6,
        label="Pareto front",
    )


def _mark(axes: Axes, point: Point, low: float, high: float) -> None:
    colour = svg.FIRST if point.good else svg.BAD
    inside = low <= point.y <= high
    if inside and point.low is not None and point.high is not None:
        ends = [point.low, point.high]
        axes.plot([point.x, point.x], ends, color=colour, linewidth=2, alpha=0.4)
    marker = "o" if point.good else "X"
    if not inside:
        marker = "v" if point.y < low else "^"
    axes.plot(point.x, _shown(point, low, high), marker, color=colour, markersize=6.4)


def _shown(point: Point, low: float, high: float) -> float:
    edge = 0.025 * (high - low)
    return min(max(point.y, low + edge), high - edge)


def _legend(axes: Axes, cloud: Cloud) -> None:
    from matplotlib.lines import Line2D

    drawn = axes.get_legend_handles_labels()[0]
    kinds = (("o", svg.FIRST, "blessed", True), ("X", svg.BAD, "not blessed", False))
    for marker, colour, label, good in kinds:
        if any(point.good == good for point in cloud.points):
            drawn.append(Line2D([], [], label=label, color=colour, marker=marker, linestyle="none"))
    axes.legend(
        handles=drawn,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=3,
        labelcolor=svg.INK,
        handlelength=1.4,
        columnspacing=1.2,
        borderaxespad=0.1,
    )


def _label(axes: Axes, cloud: Cloud, low: float, high: float) -> None:
    """Writes the names where they hide neither points nor each other, as far as that goes."""
    centres = [
        tuple(axes.transData.transform((one.x, _shown(one, low, high)))) for one in cloud.points
    ]
    bounds = axes.get_window_extent()
    frame = (bounds.x0, bounds.y0, bounds.x1, bounds.y1)
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in centres]
    taken += _lines(axes, cloud, frame)
    order = sorted(
        range(len(centres)),
        key=lambda place: (cloud.points[place].label not in cloud.front, centres[place][0]),
    )
    for place in order:
        point, centre = cloud.points[place], centres[place]
        off = "" if low <= point.y <= high else f" ({number(point.y)})"
        text = svg.text(point.label + off, 40)
        box = min(_places(centre, text), key=lambda box: _trouble(box, taken, frame))
        taken.append(box)
        _write(axes, text, centre, box)


def _lines(axes: Axes, cloud: Cloud, frame: Box) -> Iterator[Box]:
    """The lines that names should keep clear of: whiskers, the front and the reference."""
    to_pixels = axes.transData.transform
    for one in cloud.points:
        if one.low is not None and one.high is not None:
            x, bottom = to_pixels((one.x, one.low))
            yield x - 1, bottom, x + 1, to_pixels((one.x, one.high))[1]
    if cloud.reference is not None:
        level = to_pixels((1.0, cloud.reference))[1]
        yield frame[0], level - 1, frame[2], level + 1
    by_label = {point.label: point for point in cloud.points}
    corners = [to_pixels((by_label[one].x, by_label[one].y)) for one in cloud.front]
    for place, (x, y) in enumerate(corners):
        end = corners[place + 1] if place + 1 < len(corners) else (frame[2], y)
        yield x, y - 1, end[0], y + 1
        yield end[0] - 1, y, end[0] + 1, end[1]


def _places(centre: tuple[float, ...], text: str) -> Iterator[Box]:
    """Boxes around a point where its name could stand, the nearest first."""
    width, (x, y) = _LETTER * len(text), centre
    for distance in _DISTANCES:
        for right, up in _DIRECTIONS:
            left = x + right * distance - width * (1 - right) / 2
            bottom = y + up * distance - _LINE * (1 - up) / 2
            yield left, bottom, left + width, bottom + _LINE


def _trouble(box: Box, taken: Sequence[Box], frame: Box) -> float:
    """How much of a box is hidden by others or sticks out of the frame, in square pixels."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return area - _shared(box, frame) + sum(_shared(box, other) for other in taken)


def _shared(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _write(axes: Axes, text: str, centre: tuple[float, ...], box: Box) -> None:
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    nearest = tuple(
        min(max(at, start), end) for at, start, end in zip(centre, box[:2], box[2:], strict=True)
    )
    far = max(abs(a - b) for a, b in zip(centre, nearest, strict=True)) > _FAR
    if far:
        inverse = axes.transData.inverted()
        ends = [inverse.transform(end) for end in (centre, nearest)]
        across, up = zip(*ends, strict=True)
        axes.plot(across, up, color=svg.MUTED, linewidth=0.7)
    axes.annotate(
        text,
        middle,
        xycoords="figure pixels",
        ha="center",
        va="center",
        fontsize=_LABEL,
        color=svg.INK,
    )
