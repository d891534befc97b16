"""Checkpoints: what a training run leaves, sealed, and taken up again."""
