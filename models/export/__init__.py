"""Writes, opens and checks the SavedModel."""
