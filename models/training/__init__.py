"""Fits a network: optimizer, schedule, decision threshold, diagnosis."""
