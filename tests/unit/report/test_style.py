"""The report's style: colours that can be read, in light and dark."""

from __future__ import annotations

import re
from pathlib import Path

from report import render

STYLE = Path(render.__file__).parent / "templates" / "report.css"


def test_colours_can_be_read() -> None:
    style = STYLE.read_text(encoding="utf-8")
    light, dark = style.split("@media")[0], style.split(':root[data-theme="dark"]')[1]
    for part in (light, dark.split("}")[0]):
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part))
        for over, under in (
            ("ink", "bg"),
            ("ink", "surface"),
            ("muted", "bg"),
            ("muted", "surface"),
            ("muted", "raised"),
            ("accent", "surface"),
            ("good", "good-bg"),
            ("warn", "warn-bg"),
            ("bad", "bad-bg"),
        ):
            assert contrast(colours[over], colours[under]) >= 4.5, (over, under)
        for line in ("first", "second", "third", "fourth", "fifth"):
            assert contrast(colours[line], colours["surface"]) >= 3, line


def test_both_dark_themes_are_the_same() -> None:
    style = STYLE.read_text(encoding="utf-8")
    blocks = re.findall(r":root[^{]*\{([^}]*--bg: #0e[^}]*)\}", style)
    assert len(blocks) == 2
    assert blocks[0].split() == blocks[1].split()


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
