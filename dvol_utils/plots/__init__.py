"""Figures: tables in, matplotlib axes out. One module a notebook; nothing is computed here."""
