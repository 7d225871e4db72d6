"""Executes the graph: schedule, processes, cache, progress, failures."""
