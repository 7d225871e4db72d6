"""Flights with the hours of weather before them and the name of their airline."""
