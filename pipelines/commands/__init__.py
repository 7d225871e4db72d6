"""One module for each command of `kelp`."""
