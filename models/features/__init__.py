"""Kinds of features: what they are, and what TF Transform does with them."""
