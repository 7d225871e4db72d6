"""Encoders of windows of a time series: one module each, named by `encoder.kind`."""
