"""Whether what a run is made of fits together: each a RequestError, in one sentence that names both
sides, before any training.
"""
