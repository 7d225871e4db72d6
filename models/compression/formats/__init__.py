"""Writes a network as SavedModel, TFLite or ONNX; each conversion in a process of its own."""

from models.compression.formats.table import FileSignature, Format

__all__ = ["FileSignature", "Format"]
