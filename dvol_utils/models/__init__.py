"""Forecasters behind one interface."""
