"""Models on folds: the forecast table, its quantiles, horizons and assets."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "combination": ["combination_weights"],
        "forecasters": ["checkpoint_hashes", "network_folders", "trained_folders"],
        "horizons": ["horizon_forecasts"],
        "inputs": ["absent_inputs", "model_inputs", "release_sentences"],
        "intervals": ["add_quantiles"],
        "own_model": ["own_forecasts"],
        "plan": ["check_plan"],
        "pooling": ["asset_samples", "asset_summary", "pooling_forecasts"],
        "walk": ["forecast_table"],
        "years": ["year_forecasts"],
    },
)
