"""The rows of a split as tensors: batches, frozen encoders' outputs, damage on purpose."""
