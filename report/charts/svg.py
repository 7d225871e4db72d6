"""Matplotlib's drawings as SVG that takes its colours and its font from the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
WIDTH = 380
FONT_SIZE = 11

# Matplotlib draws in these colours, and the page's own variables take their places.
INK, MUTED, LINE, SURFACE = "#0a0101", "#0a0102", "#0a0103", "#0a0104"
FIRST, SECOND, THIRD = "#0b0101", "#0b0102", "#0b0103"
FOURTH, FIFTH = "#0b0104", "#0b0105"
GOOD, WARN, BAD = "#0c0101", "#0c0102", "#0c0103"
VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        INK: "--ink",
        MUTED: "--muted",
        LINE: "--line",
        SURFACE: "--surface",
        FIRST: "--first",
        SECOND: "--second",
        THIRD: "--third",
        FOURTH: "--fourth",
        FIFTH: "--fifth",
        GOOD: "--good",
        WARN: "--warn",
        BAD: "--bad",
    }
)
_SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a feature named "$x$" is no formula
    "font.family": "DejaVu Sans",
    "font.size": FONT_SIZE,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.labelsize": FONT_SIZE,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": FONT_SIZE - 1,
    "ytick.labelsize": FONT_SIZE - 1,
    "legend.frameon": False,
    "legend.fontsize": FONT_SIZE - 1,
    "figure.facecolor": "none",
}


@dataclass(frozen=True)
class Chart:
    """A drawing with its title and what to see in it."""

    title: str
    svg: Markup
    note: str = ""


def draw(name: str, alt: str, height: float, paint: Callable[[Figure], None]) -> Markup:
    """Draws one chart, `WIDTH` pixels wide, that scales with the page.

    Args:
      name: Unique in the page: it keeps the chart's ids apart from those of others.
      alt: What the chart shows, for those who cannot see it.
      height: In pixels.
      paint: Draws into the empty figure.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        # The reader's browser has the glyph, even where Matplotlib's font has not.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        FigureCanvasSVG(figure)
        paint(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Markup(_themed(buffer.getvalue(), name, alt))


def text(value: object, width: int = 34) -> str:
    """A label that XML can hold, cut to `width` characters."""
    plain = "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in str(value)
    )
    return plain if len(plain) <= width else f"{plain[: width - 1]}…"


def _themed(svg: str, name: str, alt: str) -> str:
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {"class": "chart", "role": "img", "aria-label": text(alt, 200)}
    used = set(re.findall(r"#([A-Za-z0-9_-]+)", " ".join(_references(root))))
    for element in root.iter():
        _theme(element, name, used)
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    # HTML knows both without their namespaces, and the page stays free of any address.
    page = ET.tostring(root, encoding="unicode")
    return page.replace(f' xmlns="{_SVG}"', "").replace(f' xmlns:xlink="{_XLINK}"', "")


def _references(root: ET.Element) -> list[str]:
    keys = ("clip-path", f"{{{_XLINK}}}href", "href")
    return [value for element in root.iter() for key in keys if (value := element.get(key))]


def _theme(element: ET.Element, name: str, used: set[str]) -> None:
    own = element.attrib.pop("id", None)
    if own in used:
        element.set("id", f"{name}-{own}")
    target = element.attrib.pop(f"{{{_XLINK}}}href", None)
    if target is not None:
        element.set("href", target)
    for key, value in list(element.attrib.items()):
        if key == "style":
            element.set(key, _style(value))
        elif "#" in value and key != "aria-label":
            element.set(key, re.sub(r"#([A-Za-z0-9_-]+)", rf"#{name}-\1", value))
        elif key in ("d", "transform", "x", "y", "width", "height", "points"):
            element.set(key, re.sub(r"-?\d+\.\d{3,}", _rounded, value))


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match.group()):.2f}".rstrip("0").rstrip(".")


def _style(style: str) -> str:
    for sentinel, variable in VARIABLES.items():
        style = style.replace(sentinel, f"var({variable})")
    style = re.sub(r"font: ([\d.]+)px '[^']*'", r"font-size: \1px", style)
    return re.sub(r"font-family: [^;]*;?", "", style)
