"""A finished study's models at work: tomorrow's forecast, and scores on data that came later."""
