"""Stylised facts of hourly DVOL: what a simulated market has to look like."""

from __future__ import annotations

import numpy as np
import pandas as pd

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# Bitcoin, 39,985 hours from 2021-03-24 to 2025-10-15 (Deribit's DVOL, Binance's perpetual, Coin
# Metrics' and Blockchain.com's on-chain values); jumps at the 1 % level, K = 94, n = 8,760.
REFERENCE_FACTS: dict[str, float] = {
    "DVOL mean, points": 62.95,
    "DVOL sd, points": 18.79,
    "DVOL minimum, points": 31.47,
    "DVOL maximum, points": 166.39,
    "autocorrelation of log DVOL, 1 h": 0.9994,
    "autocorrelation of log DVOL, 24 h": 0.9869,
    "autocorrelation of log DVOL, 168 h": 0.9312,
    "autocorrelation of log DVOL, 720 h": 0.8212,
    "hourly change sd, log": 0.01013,
    "hourly change kurtosis": 74.68,
    "hourly change skewness": 1.363,
    "autocorrelation of changes, 1 h": 0.0608,
    "autocorrelation of absolute changes, 1 h": 0.340,
    "autocorrelation of absolute changes, 24 h": 0.0925,
    "autocorrelation of absolute changes, 168 h": 0.0508,
    "24-hour change sd, log": 0.0472,
    "168-hour change sd, log": 0.1083,
    "720-hour change sd, log": 0.1734,
    "price return sd, hourly log": 0.00609,
    "price return kurtosis": 15.19,
    "correlation of change and price return": -0.175,
    "correlation of change and absolute price return": 0.174,
    "mean change of the bar from 08:00, bp": -29.3,
    "mean change of bars from 00:00 to 04:00, bp": -7.90,
    "mean change of bars from 10:00 to 15:00, bp": 6.92,
    "mean 24-hour change from Monday, %": 0.15,
    "mean 24-hour change from Tuesday, %": -0.05,
    "mean 24-hour change from Wednesday, %": -0.86,
    "mean 24-hour change from Thursday, %": -1.63,
    "mean 24-hour change from Friday, %": -0.73,
    "mean 24-hour change from Saturday, %": 1.38,
    "mean 24-hour change from Sunday, %": 1.47,
    "jumps, % of hours": 0.81,
    "jumps upward, % of jumps": 67.2,
    "jump size median, %": 4.21,
    "jump size 95th percentile, %": 11.31,
    "jump frequency within a day of another, relative": 1.72,
    "transfers on Saturdays, relative": 0.519,
    "transfers on Sundays, relative": 0.442,
    "active addresses on Saturdays, relative": 0.941,
    "active addresses on Sundays, relative": 0.891,
}


def stylised_facts(
    panel: pd.DataFrame, jumps: pd.DataFrame | None = None, *, publication_lag_hours: int = 12
) -> pd.DataFrame:
    """One asset's panel in the figures that the simulated market is calibrated to.

    Parameters
    ----------
    panel : DataFrame
        Panel of one asset; columns that are empty give missing figures.
    jumps : DataFrame, optional
        Rows aligned with the panel, columns `is_jump` and `jump_size` (log); without it the
        figures on jumps are left out.
    publication_lag_hours : int
        Lag with which on-chain values entered the panel, to find the day they belong to.

    Returns
    -------
    DataFrame
        `statistic` (with its unit), `value`, `bitcoin` (`REFERENCE_FACTS`).

    Raises
    ------
    ValueError
        The panel holds several assets, or `jumps` is not aligned with it.
    """
    assets = sorted(set(panel["asset"]))
    if len(assets) != 1:
        raise ValueError(f"found assets {', '.join(assets)}; should be one asset")
    if jumps is not None and len(jumps) != len(panel):
        raise ValueError(f"jumps has {len(jumps)} rows; should be the panel's {len(panel)}")
    close = panel["dvol_close"].reset_index(drop=True)
    log_level = np.log(close)
    imputed = panel["imputed"].reset_index(drop=True)
    change = log_level.diff().mask(imputed | imputed.shift(1, fill_value=False))
    price_return = np.log(panel["price_close"].reset_index(drop=True)).diff()
    time = panel["time"].reset_index(drop=True)
    facts = (
        _level_facts(close, log_level)
        | _change_facts(log_level, change)
        | _price_facts(change, price_return)
        | _calendar_facts(log_level, change, time)
        | (_jump_facts(jumps) if jumps is not None else {})
        | _onchain_facts(panel, publication_lag_hours)
    )
    table = pd.DataFrame({"statistic": list(facts), "value": list(facts.values())})
    return table.assign(bitcoin=table["statistic"].map(REFERENCE_FACTS))


def _level_facts(close: pd.Series, log_level: pd.Series) -> dict[str, float]:
    facts = {
        "DVOL mean, points": close.mean(),
        "DVOL sd, points": close.std(),
        "DVOL minimum, points": close.min(),
        "DVOL maximum, points": close.max(),
    }
    for lag in (1, 24, 168, 720):
        facts[f"autocorrelation of log DVOL, {lag} h"] = _autocorrelation(log_level, lag)
    return facts


def _change_facts(log_level: pd.Series, change: pd.Series) -> dict[str, float]:
    facts = {
        "hourly change sd, log": change.std(),
        "hourly change kurtosis": change.kurt(),
        "hourly change skewness": change.skew(),
        "autocorrelation of changes, 1 h": _autocorrelation(change, 1),
    }
    for lag in (1, 24, 168):
        facts[f"autocorrelation of absolute changes, {lag} h"] = _autocorrelation(change.abs(), lag)
    for lag in (24, 168, 720):
        facts[f"{lag}-hour change sd, log"] = log_level.diff(lag).std()
    return facts


def _price_facts(change: pd.Series, price_return: pd.Series) -> dict[str, float]:
    return {
        "price return sd, hourly log": price_return.std(),
        "price return kurtosis": price_return.kurt(),
        "correlation of change and price return": _correlation(change, price_return),
        "correlation of change and absolute price return": _correlation(change, price_return.abs()),
    }


def _calendar_facts(log_level: pd.Series, change: pd.Series, time: pd.Series) -> dict[str, float]:
    opens = (time - pd.Timedelta(hours=1)).dt.hour
    by_hour = change.groupby(opens).mean() * 1e4
    facts = {
        "mean change of the bar from 08:00, bp": by_hour.get(8, np.nan),
        # Labels, so that the hour 4 is among them.
        "mean change of bars from 00:00 to 04:00, bp": by_hour.loc[0:4].mean(),
        "mean change of bars from 10:00 to 15:00, bp": by_hour.loc[10:15].mean(),
    }
    ahead = (log_level.shift(-24) - log_level) * 100
    by_day = ahead.groupby(time.dt.day_of_week).mean()
    for number, day in enumerate(_WEEKDAYS):
        facts[f"mean 24-hour change from {day}, %"] = by_day.get(number, np.nan)
    return facts


def _jump_facts(jumps: pd.DataFrame) -> dict[str, float]:
    flag = jumps["is_jump"].fillna(False).astype(bool).reset_index(drop=True)
    size = jumps["jump_size"].reset_index(drop=True)[flag]
    # The hour itself left out: it would always be near a jump of its own.
    recent = flag.astype(float).shift(1).rolling(24, min_periods=1).sum() > 0
    share = flag.mean()
    near = flag[recent].mean() if recent.any() else np.nan
    return {
        "jumps, % of hours": share * 100,
        "jumps upward, % of jumps": (size > 0).mean() * 100 if len(size) else np.nan,
        "jump size median, %": size.abs().median() * 100,
        "jump size 95th percentile, %": size.abs().quantile(0.95) * 100,
        "jump frequency within a day of another, relative": near / share if share else np.nan,
    }


def _onchain_facts(panel: pd.DataFrame, publication_lag_hours: int) -> dict[str, float]:
    day = (panel["time"] - pd.Timedelta(hours=24 + publication_lag_hours)).dt.floor("D")
    daily = panel.groupby(day).first()
    saturday, sunday = daily.index.day_of_week == 5, daily.index.day_of_week == 6
    facts = {}
    for column, name in (
        ("transfer_volume_usd", "transfers"),
        ("active_addresses", "active addresses"),
    ):
        relative = daily[column] / daily[column].mean()
        facts[f"{name} on Saturdays, relative"] = relative[saturday].mean()
        facts[f"{name} on Sundays, relative"] = relative[sunday].mean()
    return facts


def _autocorrelation(values: pd.Series, lag: int) -> float:
    return _correlation(values, values.shift(lag))


def _correlation(first: pd.Series, second: pd.Series) -> float:
    """Pearson correlation on rows where both are there; missing where it is not defined."""
    both = pd.DataFrame({"first": first, "second": second}).dropna()
    if len(both) < 2 or (both.std() == 0).any():
        return float("nan")
    return float(np.corrcoef(both["first"], both["second"])[0, 1])
