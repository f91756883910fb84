"""The cache: what frozen encoders made of a stream, once for all runs, by content.

``<root>/encoded/<key>/`` holds ``values.safetensors`` (``values`` float32 [T, D], ``length`` int64
[N]) and ``entry.json`` with its SHA-256, written last: an entry that has one is whole. While it is
filled, each shard of rows is a file of its own, so that a killed job continues where it stopped; a
lock, which dies with its process, keeps others out. Everything here can be deleted at any time: it
is made again.
"""
