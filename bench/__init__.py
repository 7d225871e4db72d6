"""Measurements, always as ratios against a peer or by part of a whole."""
