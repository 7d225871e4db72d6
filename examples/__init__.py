"""Problems that Kelp is shown on."""
