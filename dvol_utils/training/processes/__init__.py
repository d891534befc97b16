"""Processes: many networks side by side, one network on many devices."""
