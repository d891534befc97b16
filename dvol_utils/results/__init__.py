"""Results: the study's findings as tables, sentences and `results.json`."""
