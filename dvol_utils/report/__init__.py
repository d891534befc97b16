"""Report: notebooks are executed and become an offline site, and a run is checked."""
