"""Pusher: a blessed and verified model, atomically, into the serving root."""
