"""A simulated market whose jumps are known, and what it has to look like."""
