"""What speaks TensorFlow Serving's REST API; stands alone beside the other layers."""
