"""Smaller forms of a trained network: other weights, other formats, and what they cost."""
