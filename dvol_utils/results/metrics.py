"""Every metric by every grouping: `metrics.parquet`."""

from __future__ import annotations

import pandas as pd

from dvol_utils.evaluation import METRICS, add_calendar, score
from dvol_utils.evaluation.forecast_table import QUANTILES
from dvol_utils.evaluation.quantile_scores import coverage, crps

# A share in the tails needs more rows than a cell of the week has.
_JUDGED_BY = ("all", "jump_regime", "level_regime", "half", "month")
REGIME_TYPES = (*_JUDGED_BY, "weekday", "hour", "hour_of_week")


def metrics_table(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every model by every grouping, one value per row.

    Parameters
    ----------
    forecasts : DataFrame
        Test rows, seeds averaged.

    Returns
    -------
    DataFrame
        `model, regime_type` (all, jump_regime, level_regime, half, month, weekday, hour,
        hour_of_week), `regime` (text), `metric, value, n`. Where the forecasts have quantiles,
        also those of `coverage` and `crps`, by all of these but weekday and hours.
    """
    rows = add_calendar(forecasts).assign(all="all")
    rows["month"] = rows["month"].dt.strftime("%Y-%m")
    tables = []
    for regime_type in REGIME_TYPES:
        table = score(rows, ("model", regime_type)).rename(columns={regime_type: "regime"})
        tidy = table.melt(["model", "regime", "n"], METRICS, "metric", "value")
        # As text, since hours, months and names share one column.
        tables.append(tidy.assign(regime_type=regime_type, regime=tidy["regime"].astype(str)))
    if set(QUANTILES) <= set(rows) and rows[list(QUANTILES)].notna().all(axis="columns").any():
        tables += [
            judge(rows, ("model", regime_type))
            .rename(columns={regime_type: "regime"})
            .melt(["model", "regime", "n"], var_name="metric")
            .assign(regime_type=regime_type)
            .astype({"regime": "str"})
            for regime_type in _JUDGED_BY
            for judge in (coverage, crps)
        ]
    columns = ["model", "regime_type", "regime", "metric", "value", "n"]
    return pd.concat(tables, ignore_index=True)[columns]
