"""Compressor: other weights and other formats for the candidate, one variant a node."""
