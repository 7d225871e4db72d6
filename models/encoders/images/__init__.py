"""Encoders of images: one module and one row of `spec.py` each."""
