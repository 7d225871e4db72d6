"""Which versions of which models there are, and the ones of them that are loaded."""
