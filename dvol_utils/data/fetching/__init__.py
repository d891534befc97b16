"""Fetching: from the public sources to the raw store."""
