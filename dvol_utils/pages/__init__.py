"""Sentences and tables of the pages: one module a notebook, named as its plots."""
