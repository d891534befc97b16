"""The DVOL study: data, jumps, forecasts and their evaluation."""
