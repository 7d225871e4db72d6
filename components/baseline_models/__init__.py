"""Baseline models: what a network must beat to be worth its cost."""
