"""Writes a network as SavedModel, TFLite or ONNX; each conversion in a process of its own."""
