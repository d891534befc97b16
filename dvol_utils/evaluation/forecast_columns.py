"""Columns of the forecast table."""

FORECAST_COLUMNS = (
    "asset",
    "origin",
    "target_time",
    "horizon_hours",
    "model",
    "seed",
    "fold",
    "split",
    "y_true",
    "y_pred",
    "y_origin",
    "jump_regime",
    "level_regime",
)
# Columns of quantiles, which a forecast table may have, with their probabilities.
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.50, "q75": 0.75, "q95": 0.95}
VALUES = ("y_true", "y_pred", "y_origin")
