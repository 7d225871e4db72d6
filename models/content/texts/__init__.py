"""Texts: what the audit reads of them, stresses, and excerpts for the report."""
