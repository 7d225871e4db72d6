"""Rows on their way to a network: raw columns, batches, labels."""
