"""TensorFlow Serving's gRPC services over the same versions, queues and counts as REST."""
