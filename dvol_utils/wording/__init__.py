"""Wording: numbers, tests and tables as readers see them."""
