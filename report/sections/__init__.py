"""The sections of the report: from what a run left behind to plain values."""
