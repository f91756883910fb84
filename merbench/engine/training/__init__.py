"""The training loop and what it consists of: optimiser, passes, selection, checkpoints."""
