"""ModelGate: blesses a candidate or refuses it, gate by gate, with uncertainty."""
