"""Stress: what the candidate loses when its inputs get worse, and what it rests on."""
