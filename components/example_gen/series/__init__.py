"""A long table of time series becomes windows: see `ingest` for the passes."""
