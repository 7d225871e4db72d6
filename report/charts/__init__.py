"""The charts of the report: which there are, and how they are drawn."""
