"""Models on folds: the forecast table, its quantiles, horizons and assets."""
