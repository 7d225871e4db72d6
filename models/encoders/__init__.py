"""Encoders: from the values of a feature, such as pixels, to a vector of the network."""
