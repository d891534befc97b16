"""Panel and jumps in, rows to learn from out."""
