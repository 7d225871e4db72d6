"""Techniques that give a network other weights, one module each."""
