"""Brings a new version to a part of the traffic, and on or back by what it does there."""
