"""Evidence: metrics with intervals, overall and by slice, from predictions alone."""
