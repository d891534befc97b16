"""Calendar patterns of the panel: means by hour and weekday, and tests that they are equal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import statsmodels.api as sm

from dvol_utils.wording.numbers import number, p_text

ACTIVITY = {
    "transfer_volume_usd": "transfers",
    "active_addresses": "active addresses",
    "transaction_count": "transactions",
}

_HOUR = pd.Timedelta(hours=1)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SLOT_COLUMNS = ("slot", "mean", "low", "high", "n", "f_statistic", "p_value")


def change_by_hour(
    panel: pd.DataFrame, *, coverage: float = 0.95, step_hours: int = 1
) -> pd.DataFrame:
    """Mean log change of DVOL over a bar by UTC hour of the bar's open.

    Parameters
    ----------
    panel : DataFrame
    coverage : float
        Coverage of the intervals.
    step_hours : int
        Hours between two bars of the source.

    Returns
    -------
    DataFrame
        `asset, slot` (hour 0..23), `mean, low, high` (basis points; interval from standard errors
        robust to heteroskedasticity and autocorrelation), `n`, and on every row of an asset the
        test that all slots have the same mean: `f_statistic, p_value`. Without an asset whose
        changes fall into two slots.

    Notes
    -----
    Newey-West with lags of 24 hours. On made-up changes without a pattern, the test at the 5 %
    level rejects in 28 % of samples of 70 days, 13 % of 200 and 5 % of 400 or more: short samples
    see patterns.

    References
    ----------
    Newey and West (1987), doi 10.2307/1913610.
    """
    return _by_slot(panel, "hour", step_hours, 1e4, coverage, step_hours)


def change_by_weekday(
    panel: pd.DataFrame, *, horizon_hours: int = 24, coverage: float = 0.95, step_hours: int = 1
) -> pd.DataFrame:
    """Mean log change of DVOL over the horizon by weekday of its origin.

    Returns
    -------
    DataFrame
        As of `change_by_hour`; `slot` is the weekday (Monday 0), means in percent. Lags cover the
        overlap of the changes twice.
    """
    return _by_slot(panel, "day_of_week", horizon_hours, 100.0, coverage, step_hours)


def activity_by_weekday(
    panel: pd.DataFrame, *, publication_lag_hours: int, coverage: float = 0.95
) -> pd.DataFrame:
    """On-chain activity by UTC weekday of the day it belongs to, relative to its mean.

    Parameters
    ----------
    panel : DataFrame
    publication_lag_hours : int
        Lag with which the values entered the panel.
    coverage : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        As of `change_by_hour`, with `column` after `asset`; `slot` is the weekday (Monday 0), means
        are relative to the mean of all days.
    """
    tables = [pd.DataFrame(columns=["asset", "column", *_SLOT_COLUMNS])]
    for asset, part in panel.groupby("asset", sort=True):
        # Back by the lag to the day that the values are of.
        day = (part["time"] - pd.Timedelta(hours=24 + publication_lag_hours)).dt.floor("D")
        daily = part.groupby(day)[list(ACTIVITY)].last()  # the first day's rows are cut short
        for column in ACTIVITY:
            values = daily[column].dropna()
            if values.std() > 0:
                means = _slot_means(values / values.mean(), values.index.day_of_week, 7, coverage)
                means.insert(0, "column", column)
                means.insert(0, "asset", asset)
                tables.append(means)
    return pd.concat(tables[1:] or tables, ignore_index=True)


def equality_words(means: pd.DataFrame) -> str:
    """The test of equal means of one asset's table, e.g. `F = 10.5, p < 0.001`."""
    first = means.iloc[0]
    return f"F = {number(first['f_statistic'], '.1f')}, {p_text(first['p_value'])}"


def activity_words(activity: pd.DataFrame) -> str:
    """Where one asset's activity falls furthest, e.g. `on Sundays transfers fall to 44 %…`."""
    lowest = activity.loc[activity["mean"].idxmin()]
    day, name = _WEEKDAYS[lowest["slot"]], ACTIVITY[lowest["column"]]
    return f"on {day}s {name} fall to {number(100 * lowest['mean'], '.0f')} % of their mean"


def log_changes(part: pd.DataFrame, hours: int) -> pd.Series:
    """Log change of DVOL into each hour; missing where either end is imputed."""
    change = np.log(part["dvol_close"]).diff(hours)
    return change.mask(part["imputed"] | part["imputed"].shift(hours, fill_value=False))


def _by_slot(
    panel: pd.DataFrame, slot: str, hours: int, unit: float, coverage: float, step_hours: int
) -> pd.DataFrame:
    """Mean change over the hours by a calendar field of its origin."""
    tables = [pd.DataFrame(columns=["asset", *_SLOT_COLUMNS])]
    for asset, part in panel.groupby("asset", sort=True):
        change = (unit * log_changes(part, hours)).set_axis(part["time"] - hours * _HOUR).dropna()
        slots = getattr(change.index, slot)
        if len(set(slots)) > 1:
            # In bars, twice the overlap, and never less than a day.
            lags = max(24, 2 * hours) // step_hours
            means = _slot_means(change, slots, lags, coverage)
            means.insert(0, "asset", asset)
            tables.append(means)
    return pd.concat(tables[1:] or tables, ignore_index=True)


def _slot_means(values: pd.Series, slots: pd.Index, lags: int, coverage: float) -> pd.DataFrame:
    """Regression on one dummy per slot with HAC errors: means, intervals, Wald test of equality."""
    dummies = pd.get_dummies(pd.Series(np.asarray(slots)), dtype=float)
    cov_kwds = {"maxlags": lags, "use_correction": True}
    fit = sm.OLS(values.to_numpy(), dummies.to_numpy()).fit(cov_type="HAC", cov_kwds=cov_kwds)
    n_slots = dummies.shape[1]
    # Neighbouring slots are equal in pairs: one equation fewer than slots.
    equality = np.eye(n_slots - 1, n_slots) - np.eye(n_slots - 1, n_slots, k=1)
    test = fit.wald_test(equality, use_f=True, scalar=True)
    low, high = fit.conf_int(1 - coverage).T
    return pd.DataFrame(
        {
            "slot": dummies.columns.to_numpy(),
            "mean": fit.params,
            "low": low,
            "high": high,
            "n": dummies.sum().to_numpy().astype(int),
            "f_statistic": float(test.statistic),
            "p_value": float(test.pvalue),
        }
    )
