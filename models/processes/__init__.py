"""Processes of their own for work that can take a process down."""
