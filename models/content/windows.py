"""Windows of series as a person sees them: a line, and what its steps add to a score."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from contracts.arrays import Array
from contracts.results.preview import HeatMap, Preview
from models.content.kind import Occlusion

_PARTS = 24
_NAMED = 4
_WIDTH, _HEIGHT, _MARGIN = 240, 60, 4
_LINE = (128, 128, 128, 255)


def preview_window(value: Any) -> Preview:
    """Draws the steps of one raw column as a line with gaps where they are missing."""
    steps = np.asarray(value, np.float64).ravel()
    known = np.isfinite(steps)
    if not known.any():
        return Preview(note="missing")
    low, high = float(steps[known].min()), float(steps[known].max())
    note = f"{len(steps):,} steps from {low:.4g} to {high:.4g}"
    return Preview(png=_line(steps, low, high), width=_WIDTH, height=_HEIGHT, note=note)


def occlude_steps(value: Any) -> Occlusion | None:
    """Leaves out one part of the steps after the other, as if they were missing."""
    steps = np.asarray(value, np.float32)
    if not np.isfinite(steps).any():
        return None
    parts = np.array_split(np.arange(len(steps)), min(_PARTS, len(steps)))
    covered = []
    for part in parts:
        without = steps.copy()
        without[part] = np.nan
        covered.append(without)

    def show(weights: Sequence[float]) -> Preview:
        plain = preview_window(steps)
        strongest = sorted(range(len(parts)), key=lambda at: -abs(weights[at]))[:_NAMED]
        named = ", ".join(f"{_named(parts[at])} {weights[at]:+.4g}" for at in strongest)
        heat = HeatMap(weights=[[float(weight) for weight in weights]])
        return plain.model_copy(update={"heat": heat, "note": f"{plain.note}; {named}"})

    return Occlusion(covered, show)


def window_figures(values: pa.ChunkedArray) -> dict[str, pa.Array]:
    """The mean of each window's steps, and the share of them that is missing.

    Args:
      values: Lists of one length, NaN where a step is missing.
    """
    lists = values.combine_chunks()
    steps = lists.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    steps = steps.reshape(len(lists), lists.type.list_size)
    known = np.isfinite(steps)
    counts = known.sum(axis=1)
    means = np.where(known, steps, 0.0).sum(axis=1) / np.maximum(counts, 1)
    missing = 1.0 - counts / max(1, steps.shape[1])
    return {"mean": pa.array(means, mask=counts == 0), "missing": pa.array(missing)}


def _named(part: Array) -> str:
    first, last = int(part[0]) + 1, int(part[-1]) + 1
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _line(steps: Array, low: float, high: float) -> str:
    from PIL import Image, ImageDraw

    across = np.linspace(_MARGIN, _WIDTH - _MARGIN, len(steps))
    share = (steps - low) / (high - low) if high > low else np.full(len(steps), 0.5)
    down = _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)
    image = Image.new("RGBA", (_WIDTH, _HEIGHT), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    known = np.isfinite(down)
    for run in np.split(np.arange(len(steps)), np.flatnonzero(np.diff(known)) + 1):
        if known[run[0]]:
            points = [(float(across[at]), float(down[at])) for at in run]
            draw.line(points if len(points) > 1 else points * 2, fill=_LINE, width=2)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
