"""What the parts of an image or a text add to a prediction, in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from contracts.results.preview import Preview

_FOR, _AGAINST = (232, 89, 12), (28, 126, 214)
_FAINT = 0.1


def render_parts(name: str, view: Preview, console: Console) -> None:
    """Prints a heat map of an image, or a text with its words coloured; and the figures.

    What speaks for the score is orange, what speaks against it blue. Without colours the
    strongest parts are still named.
    """
    if view.heat is not None:
        console.print(f"What each part of {name} adds, strongest in colour:", markup=False)
        console.print(_heat_map(view.heat.weights))
    if view.parts:
        console.print(f"What each word of {name} adds, strongest in colour:", markup=False)
        most = max(abs(part.weight) for part in view.parts)
        text = Text()
        for part in view.parts:
            text.append(part.text, style=_style(part.weight, most))
        console.print(text)
        ranked = sorted(view.parts, key=lambda part: -abs(part.weight))[:10]
        named = ", ".join(f"{part.text.strip()} {part.weight:+.3f}" for part in ranked)
        console.print(named, markup=False, highlight=False)
    if view.note:
        console.print(f"{name}: {view.note}", markup=False)


def _heat_map(weights: Sequence[Sequence[float]]) -> Text:
    """Two characters a cell: + and - where the weight is strong, whatever the terminal shows."""
    most = max(abs(weight) for row in weights for weight in row)
    text = Text()
    for row in weights:
        for weight in row:
            strong = most > 0 and abs(weight) > most / 2
            mark = ("++" if weight > 0 else "--") if strong else "··"
            text.append(mark, style=_style(weight, most))
        text.append("\n")
    return text


def _style(weight: float, most: float) -> str:
    share = abs(weight) / most if most else 0.0
    if share < _FAINT:
        return ""
    colour = _FOR if weight > 0 else _AGAINST
    red, green, blue = (round(255 - share * (255 - end)) for end in colour)
    return f"black on rgb({red},{green},{blue})"
