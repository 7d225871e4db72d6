"""Images: what the audit reads of them, stresses, and pictures for the report."""
