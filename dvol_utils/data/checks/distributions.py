"""Is the panel fit for the study? Distribution, tails and unit roots, and the words for it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.tools.sm_exceptions import InterpolationWarning
from statsmodels.tsa.stattools import adfuller, kpss

from dvol_utils.data.checks.seasonality import equality_words, log_changes
from dvol_utils.wording.numbers import hour, number, p_text

_HOUR = pd.Timedelta(hours=1)
_FEWEST_OBSERVATIONS = 60
_HOURLY_LAGS, _DAILY_LAGS = 48, 14
_TAILS = (1, 2, 3, 5, 10)


def bar_changes(panel: pd.DataFrame, *, step_hours: int = 1) -> pd.DataFrame:
    """Log changes of DVOL over bars of so many hours, `asset, time, change`.

    Missing where the hour or the one a bar before is imputed.
    """
    return pd.concat(
        [
            part[["asset", "time"]].assign(change=log_changes(part, step_hours))
            for _, part in panel.groupby("asset", sort=True)
        ],
        ignore_index=True,
    )


def daily_closes(panel: pd.DataFrame) -> pd.DataFrame:
    """The last hour of each UTC day: `asset, time, dvol_close, price_close`."""
    # By the bar's open: the close at midnight is the last of the day before.
    day = (panel["time"] - _HOUR).dt.floor("D")
    columns = ["asset", "time", "dvol_close", "price_close"]
    return panel.groupby([panel["asset"], day])[columns].tail(1).reset_index(drop=True)


def histogram(values: pd.Series, bins: int = 60, *, tail: float = 0.001) -> pd.DataFrame:
    """Density of the values between their `tail` and 1 - `tail` quantiles.

    Returns
    -------
    DataFrame
        `left, right` (edges, unit of the values), `density`, `normal` (density of a normal
        distribution with the same mean and standard deviation, at the middle of the bin).
    """
    values = values.dropna()
    # Without the tails, a few jumps of which would leave one bar for all the rest.
    low, high = values.quantile([tail, 1 - tail])
    counts, edges = np.histogram(values, bins=bins, range=(low, high))
    middle = (edges[1:] + edges[:-1]) / 2
    return pd.DataFrame(
        {
            "left": edges[:-1],
            "right": edges[1:],
            "density": counts / len(values) / np.diff(edges),
            "normal": norm.pdf(middle, values.mean(), values.std()),
        }
    )


def tail_table(panel: pd.DataFrame, *, step_hours: int = 1) -> pd.DataFrame:
    """How often changes from bar to bar are large, beside a normal distribution.

    Returns
    -------
    DataFrame
        `asset`, `beyond_sd` (k), `bars` with a change of more than k standard deviations,
        `share_percent` of bars, `normal_percent` a normal distribution has there.
    """
    rows = []
    for asset, part in bar_changes(panel, step_hours=step_hours).groupby("asset", sort=True):
        change = part["change"].dropna()
        score = (change - change.mean()).abs() / change.std()
        for k in _TAILS:
            bars = int((score > k).sum())
            share = 100 * bars / len(change)
            # Both tails, in percent.
            rows.append((asset, k, bars, share, 200 * norm.sf(k)))
    columns = ["asset", "beyond_sd", "bars", "share_percent", "normal_percent"]
    return pd.DataFrame(rows, columns=columns)


def unit_root_table(panel: pd.DataFrame, *, step_hours: int = 1) -> pd.DataFrame:
    """Unit-root tests of log DVOL, on hourly bars where the source has them and on daily closes.

    Returns
    -------
    DataFrame
        `asset, series, test` (ADF: a unit root is the hypothesis; KPSS: stationarity is),
        `statistic, lags, observations, critical` (5 % value), `p_value` (KPSS: limited to its
        table, 0.01 to 0.1), `reject` (bool, at 5 %). Series of fewer than 60 values are left out.

    Notes
    -----
    Both with a constant and no trend. ADF: 48 lags hourly, at most 14 days by AIC on daily closes.
    KPSS: bandwidth chosen on daily closes (Hobijn, Franses and Ooms), and as many days hourly; the
    automatic choice on hours covers a few days only and rejects most persistent levels. It leans to
    rejection all the same: autoregressions over 40,000 hours with time constants of 300 and 1,000
    hours are rejected in 16 and 45 % of samples at the 5 % level.

    References
    ----------
    Said and Dickey (1984), doi 10.1093/biomet/71.3.599.
    Kwiatkowski, Phillips, Schmidt and Shin (1992), doi 10.1016/0304-4076(92)90104-Y.
    Hobijn, Franses and Ooms (2004), doi 10.1111/j.1467-9574.2004.00272.x.
    """
    rows = []
    daily = daily_closes(panel)
    for asset in sorted(set(panel["asset"])):
        hours, days = (
            np.log(table.loc[table["asset"] == asset, "dvol_close"].to_numpy())
            for table in (panel, daily)
        )
        bandwidth = "auto"
        if len(days) >= _FEWEST_OBSERVATIONS:
            kpss_row = _kpss(days, "auto")
            name = (asset, "log DVOL, daily close")
            rows += [(*name, "ADF", *_adf(days, _DAILY_LAGS, "AIC")), (*name, "KPSS", *kpss_row)]
            bandwidth = 24 * kpss_row[1]
        if step_hours == 1 and len(hours) >= _FEWEST_OBSERVATIONS:
            name = (asset, "log DVOL, hourly")
            rows.append((*name, "ADF", *_adf(hours, _HOURLY_LAGS, None)))
            rows.append((*name, "KPSS", *_kpss(hours, bandwidth)))
    columns = ["asset", "series", "test", "statistic", "lags", "observations", "critical"]
    return pd.DataFrame(rows, columns=[*columns, "p_value", "reject"])


def fitness(
    panel: pd.DataFrame,
    unit_roots: pd.DataFrame,
    by_hour: pd.DataFrame,
    findings: pd.DataFrame,
    *,
    horizon_hours: int = 24,
) -> list[str]:
    """Whether the data carries the study, in words made from its numbers, one item per asset.

    Parameters
    ----------
    panel : DataFrame
        A panel that `check_length` has accepted.
    unit_roots, by_hour : DataFrame
        Results of `unit_root_table` and `change_by_hour`.
    findings : DataFrame
        Result of `verdict.findings`.
    horizon_hours : int
        Horizon at which the level's persistence is quoted.
    """
    sentences = []
    for asset, part in panel.groupby("asset", sort=True):
        first, last = part["time"].iloc[0], part["time"].iloc[-1]
        imputed = int(part["imputed"].sum())
        imputed_words = "none is imputed"
        if imputed:
            share = number(100 * imputed / len(part), ".2f")
            imputed_words = f"{imputed:,} ({share} %) are imputed and never scored"
        failed = findings[(findings["asset"] == asset) & findings["passed"].eq(False)]
        fit = f"not fit for the study** ({'; '.join(failed['words'])})"
        if failed.empty:
            fit = "fit for the study**"
        log_level = np.log(part["dvol_close"])
        kept = log_level.corr(log_level.shift(horizon_hours))
        sentences.append(
            f"**The data of {asset} is {fit}: {len(part):,} hours from "
            f"{hour(first)} to {hour(last)} UTC, of which {imputed_words}. "
            + _unit_root_words(unit_roots[unit_roots["asset"] == asset])
            + f"The log level's autocorrelation at {horizon_hours} hours is "
            f"{number(kept, '.3f')}: the last value already explains most of the level, so models "
            "forecast its change. " + _calendar_words(by_hour[by_hour["asset"] == asset])
        )
    return sentences


def _unit_root_words(tests: pd.DataFrame) -> str:
    daily = tests[tests["series"] == "log DVOL, daily close"].set_index("test")
    if daily.empty:
        return ""
    words = {True: "rejected", False: "not rejected"}
    adf, stationarity = daily.loc["ADF"], daily.loc["KPSS"]
    return (
        f"On daily closes a unit root is {words[adf['reject']]} at 5 % (ADF, "
        f"{p_text(adf['p_value'])}) and stationarity is {words[stationarity['reject']]} (KPSS "
        f"{number(stationarity['statistic'], '.2f')}, 5 % value "
        f"{number(stationarity['critical'], '.2f')}). "
    )


def _calendar_words(by_hour: pd.DataFrame) -> str:
    if by_hour.empty:
        return ""
    if by_hour["p_value"].iloc[0] >= 0.05:
        return f"Changes do not differ by hour of day ({equality_words(by_hour)})."
    lowest = by_hour.loc[by_hour["mean"].idxmin()]
    return (
        f"Changes differ by hour of day ({equality_words(by_hour)}), with the lowest mean of "
        f"{number(lowest['mean'], '.0f')} basis points in the bar from "
        f"{int(lowest['slot']):02d}:00 UTC: calendar features have something to learn."
    )


def _adf(values: np.ndarray, lags: int, autolag: str | None) -> tuple:
    # Short series: more lags than a quarter of the rows leave nothing to test with.
    test = adfuller(values, min(lags, len(values) // 4), autolag=autolag, result_object=True)
    critical = float(test.critical_values["5%"])
    reject = bool(test.pvalue < 0.05)
    return test.statistic, test.lags, test.nobs, critical, test.pvalue, reject


def _kpss(values: np.ndarray, lags: int | str) -> tuple:
    with warnings.catch_warnings():
        # Beyond its table the p-value stops at 0.01 or 0.1, as the docstring says.
        warnings.simplefilter("ignore", InterpolationWarning)
        test = kpss(values, regression="c", nlags=lags, result_object=True)
    critical = float(test.critical_values["5%"])
    reject = bool(test.statistic > critical)
    return test.statistic, test.lags, len(values), critical, test.pvalue, reject
