"""Predictions: what each model says of the rows of test, taken once."""
