"""Keeps a sample of the requests: TensorFlow Serving's `PredictionLog` as TFRecords."""
