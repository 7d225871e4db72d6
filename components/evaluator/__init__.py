"""The config of TFX's Evaluator, and its results."""
