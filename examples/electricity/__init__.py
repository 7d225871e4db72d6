"""The demo data of time series."""
