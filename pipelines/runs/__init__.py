"""Run folders: finds, records, collects and compares runs."""
