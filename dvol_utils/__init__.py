"""The DVOL study: data, jumps, forecasts and their evaluation."""

# Files of a run are read by versions with the same first two numbers.
__version__ = "0.2.0"
