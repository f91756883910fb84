"""Encoders of feature streams."""
