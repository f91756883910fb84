"""What a whole method has to do, built and trained on the tiny corpus."""
