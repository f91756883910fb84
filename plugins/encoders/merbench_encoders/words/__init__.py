"""Encoders of words: numbers, vectors and small trained networks."""
