"""Features and networks: knows TensorFlow and Keras, never TFX."""
