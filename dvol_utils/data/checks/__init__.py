"""Checks of the data, and what page 01 says of them."""
