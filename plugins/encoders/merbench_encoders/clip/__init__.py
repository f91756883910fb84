"""CLIP towers of open_clip: images and texts."""
