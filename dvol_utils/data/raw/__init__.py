"""The raw store: files as the sources gave them, checked cell by cell."""
