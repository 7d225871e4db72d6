"""DataGate: stops a run whose data are unfit, and says why."""
