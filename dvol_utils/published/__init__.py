"""The published study judged: its rules beside leak-free ones, flaw by flaw, size by size."""
