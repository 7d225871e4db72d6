"""What `kelp init` and `kelp check` recognise in unknown data."""
