"""Skill month by month: with an interval each, and tested within the month."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import add_calendar, squared_errors
from dvol_utils.evaluation.scores import score
from dvol_utils.significance.accuracy import equal_loss
from dvol_utils.significance.bootstrap import bootstrap_interval
from dvol_utils.significance.regimes import LEAST_HORIZONS, holm
from dvol_utils.significance.resampling import Resampling

FEWEST_BLOCKS = 4


def monthly_skill(
    forecasts: pd.DataFrame,
    horizon: int,
    *,
    resampling: Resampling,
) -> pd.DataFrame:
    """Skill of each model in each month of origins, against persistence.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model (`average_seeds`),
        `persistence` among the models.
    horizon : int
        Hours from origin to target.
    resampling : Resampling
        The resamples are of all hours.

    Returns
    -------
    DataFrame
        `model, month` (first day, UTC), `skill, low, high`, Diebold-Mariano p-values within the
        month (`p_value`; `p_bartlett`: `equal_loss`), `p_holm` (`p_value` after Holm's correction
        over the model's months) and `n` (rows). p-values are missing in a month of fewer than ten
        horizons, intervals in one of fewer than `FEWEST_BLOCKS` mean blocks of the bootstrap, which
        could not show how far the month may be chance. Persistence has no rows.

    Raises
    ------
    ValueError
        As `bootstrap_interval`.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> draws = Resampling(block_hours=48, reps=200, seed=0)
    >>> found = monthly_skill(example_forecasts(900), 24, resampling=draws)
    >>> good = found[found["model"] == "good"].set_index("month")
    >>> good[["skill", "p_value", "n"]].round(2)
                               skill  p_value    n
    month
    2025-01-01 00:00:00+00:00   0.19     0.01  744
    2025-02-01 00:00:00+00:00   0.41      NaN  156
    """
    rows = add_calendar(forecasts)
    intervals = bootstrap_interval(rows, "skill", by="month", resampling=resampling)
    table = score(rows, ("model", "month"))[["model", "month", "skill", "n"]]
    bounds = intervals[["model", "month", "low", "high"]]
    table = table.merge(bounds, on=["model", "month"], validate="one_to_one")
    table = table[table["model"] != "persistence"].reset_index(drop=True)
    # In blocks, since a resample draws blocks: of one or two there is little to draw.
    short = table["n"] < FEWEST_BLOCKS * resampling.fitted(forecasts).block_hours
    table.loc[short, ["low", "high"]] = np.nan
    tests = _tests(squared_errors(forecasts), table, horizon)
    table[["p_value", "p_bartlett"]] = tests
    table["p_holm"] = table.groupby("model", sort=False)["p_value"].transform(holm)
    names = ["skill", "low", "high", "p_value", "p_bartlett", "p_holm", "n"]
    return table[["model", "month", *names]]


def _tests(losses: pd.DataFrame, table: pd.DataFrame, horizon: int) -> np.ndarray:
    """p-values of each row of `table`, by periodogram and Bartlett weights, shape (rows, 2)."""
    origin = pd.DatetimeIndex(losses.index)
    tests = np.full((len(table), 2), np.nan)
    for place, row in enumerate(table.itertuples()):
        # Months differ in length, which only an offset knows.
        in_month = losses[(origin >= row.month) & (origin < row.month + pd.DateOffset(months=1))]
        if len(in_month) < LEAST_HORIZONS * horizon:
            continue
        tests[place] = equal_loss(in_month[row.model], in_month["persistence"], horizon=horizon)[1:]
    return tests
