"""Weights: one fine-tuning of the candidate, shared by the variants that take its weights."""
