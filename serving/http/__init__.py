"""TensorFlow Serving's REST API over ASGI: routes, limits, metrics."""
