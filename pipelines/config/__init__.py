"""Composes the config of a problem, reads it from YAML and explains what is wrong with it."""
