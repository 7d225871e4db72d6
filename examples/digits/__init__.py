"""Handwritten digits: 5,000 images of MNIST in a folder a class."""
