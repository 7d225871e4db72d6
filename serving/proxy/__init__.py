"""Stands before a server of TensorFlow Serving's REST API: splits its traffic, and logs it."""
