"""What a network takes and gives: plain data, free of TensorFlow."""

from __future__ import annotations

from models.features.ports import InputSpec
from models.tasks.output import OutputSpec

__all__ = ["InputSpec", "OutputSpec"]
