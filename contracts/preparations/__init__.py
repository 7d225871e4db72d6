"""The kinds of preparation: a module for each, and a row each in `contracts.preparations.table`."""
