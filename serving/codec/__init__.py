"""JSON bodies of TensorFlow Serving's REST API to and from tensors."""
