"""TFX components: thin shells over plain functions."""
