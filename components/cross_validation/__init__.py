"""Cross-validation: mean and spread of the metrics over folds of train."""
