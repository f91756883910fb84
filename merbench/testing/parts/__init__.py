"""Checks of single parts, on tiny random sequences: one kind of part a file."""
