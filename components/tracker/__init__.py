"""Tracker: a run's parameters, metrics and model to MLflow."""
