"""Boards in the forms that other collections of results take."""
