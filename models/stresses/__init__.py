"""Stresses on raw values that kinds of features bring; each is a part of the config."""
