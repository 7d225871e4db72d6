"""What TFX's Evaluator is told, and what it answered."""
