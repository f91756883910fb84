"""Pretrained towers of transformers: texts and sound."""
