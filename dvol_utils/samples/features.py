"""Panel and jumps in, named feature columns out: every row uses what was known at its time.

Columns come in groups. The `published` group holds the eleven inputs of the published study. Its
DVOL lags count back from the target and never reach past the origin; with `lags_from: row` they
count back from the row, as they did there. The `calendar`, `clock`, `expiry` and `macro` groups
are known in advance: they depend on the time alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from dvol_utils.samples.events import near_expiry
from dvol_utils.samples.releases import LOOK_AHEAD_HOURS, releases_ahead
from dvol_utils.study.params import StudyParams

HOURS_PER_YEAR = 8_760
_LAGS = {"dvol_lag_1d": 24, "dvol_lag_7d": 168, "dvol_lag_30d": 720}
_HAR_HOURS = (6, 24, 72, 168, 720)
_HARMONICS = (1, 2, 3, 4, 5, 6, 7, 14, 21)  # cycles a week; 7, 14 and 21 are the day's
_EXPIRY_HOURS = 24
_SHORT_HOURS = 336

GROUPS: dict[str, tuple[str, ...]] = {
    "published": (
        *_LAGS,
        "transaction_volume",
        "network_activity",
        "nvrv",
        "dvol_rv_spread",
        "jump_indicator",
        "jump_magnitude",
        "days_since_jump",
        "jump_cluster_7d",
    ),
    "har": (*(f"gap_{hours}h" for hours in _HAR_HOURS), "log_level"),
    "calendar": tuple(f"week_{part}_{k}" for k in _HARMONICS for part in ("sin", "cos")),
    "market": ("return_1h", "return_24h", "return_168h", "volatility_ratio"),
    "funding": ("funding_8h", "funding_3d"),
    "clock": ("hour_of_day", "hour_of_week"),
    "expiry": (
        "month_expiry_ahead",
        "month_expiry_behind",
        "quarter_expiry_ahead",
        "quarter_expiry_behind",
    ),
    "macro": ("macro_ahead", "macro_later"),
    "volatility": (f"volatility_{_SHORT_HOURS}h",),
    "asset": ("asset_place",),
}
FEATURE_SOURCES = {
    "transaction_volume": "transfer_volume_usd",
    "network_activity": "active_addresses",
    "nvrv": "mvrv",
    "dvol_rv_spread": "price_close",
    **dict.fromkeys(GROUPS["market"], "price_close"),
    **dict.fromkeys(GROUPS["funding"], "funding_rate"),
}


def feature_columns(groups: list[str]) -> list[str]:
    """Column names of some groups, in the order of `GROUPS`."""
    return [name for group in GROUPS if group in groups for name in GROUPS[group]]


def absent_features(features: pd.DataFrame) -> list[str]:
    """Columns that have no value at all, because the panel lacks the series they are made from."""
    return [name for name in FEATURE_SOURCES if features[name].isna().all()]


def build_features(panel: pd.DataFrame, jumps: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Unscaled features of one asset; missing throughout where the panel lacks their source.

    Parameters
    ----------
    panel : DataFrame
        Hourly rows of one asset, sorted by `time` (bar close, UTC).
    jumps : DataFrame
        Rows of `detect_jumps` for the same hours.
    study : StudyParams
        Horizon and scaling windows.

    Returns
    -------
    DataFrame
        Index `time`; the columns of `GROUPS`. DVOL lags and the volatility spread are in index
        points, on-chain columns in logs (MVRV less one as it is), gaps and returns in units of
        their trailing standard deviation, `volatility_336h` in units of the volatility that scales
        the target, the clock's hours as shares of a day and of a week from Monday 00:00, expiries
        1 within 24 hours before (`ahead`) or after them (`behind`) and else 0, `macro` columns the
        number of releases within the next 24 hours (`ahead`) and the 24 after these (`later`),
        `asset_place` the asset's place among the study's from -1 to 1 (0 where it is the only
        one), the rest dimensionless. What would not be finite, such as the log of a volatility of
        zero, is missing.
    """
    return pd.DataFrame(dict(feature_values(panel, jumps, study)), copy=False)


def feature_values(
    panel: pd.DataFrame, jumps: pd.DataFrame, study: StudyParams
) -> Iterator[tuple[str, pd.Series]]:
    """Names and columns of `build_features`, one after the other.

    Who takes each column as it comes never holds the whole unscaled table.
    """
    frame = panel.set_index("time")
    flags = jumps.set_index("time").reindex(frame.index)
    for group in _groups(frame, flags, study):
        for name, values in group.items():
            yield name, pd.Series(_finite(values), frame.index, copy=False)


def _groups(
    frame: pd.DataFrame, flags: pd.DataFrame, study: StudyParams
) -> Iterator[Mapping[str, pd.Series | np.ndarray]]:
    dvol, price = frame["dvol_close"], frame["price_close"]
    volatility = trailing_volatility(frame, flags, study.target.volatility_window_hours)
    yield _lags(dvol, study)
    yield _onchain(frame)
    yield {"dvol_rv_spread": dvol - realised_volatility(price)}
    yield _jump_state(flags, volatility)
    yield _har(dvol, volatility)
    yield _calendar(frame.index)
    yield _market(price)
    yield _funding(frame["funding_rate"])
    yield _clock(frame.index)
    yield _expiry(frame.index)
    yield _macro(frame.index)
    yield _short_volatility(frame, flags, volatility)
    yield {"asset_place": np.full(len(frame), _place(str(frame["asset"].iloc[0]), study))}


def trailing_volatility(frame: pd.DataFrame, flags: pd.DataFrame, window: int) -> pd.Series:
    """Root mean square of the hourly log change of DVOL over the last `window` hours.

    Hours flagged as jumps and imputed hours do not enter. Shape (rows,), per hour, in logs.
    """
    change = np.log(frame["dvol_close"]).diff()
    calm = change.mask(flags["is_jump"].fillna(False).astype(bool) | frame["imputed"])
    return np.sqrt(_rolling_mean(calm**2, window))


def realised_volatility(price: pd.Series, hours: int = 720) -> pd.Series:
    """Annualised volatility of hourly log returns over the last `hours`, in percent like DVOL."""
    return 100 * np.sqrt(HOURS_PER_YEAR * _rolling_mean(np.log(price).diff() ** 2, hours))


def jump_regime(is_jump: pd.Series, hours: int) -> pd.Series:
    """Whether a jump was flagged within the last `hours`, the present hour included."""
    return is_jump.astype(float).rolling(hours, min_periods=1).max() > 0


def level_regime(dvol: pd.Series, window: int) -> pd.Series:
    """Tercile (`low`, `middle`, `high`) of DVOL among its own last `window` hours."""
    rank = dvol.rolling(window, min_periods=min(window, 720)).rank(pct=True)
    cut = pd.cut(rank, [0, 1 / 3, 2 / 3, 1], labels=["low", "middle", "high"])
    return cut.astype(object).where(rank.notna(), None)


def _finite(values: pd.Series | np.ndarray) -> pd.Series | np.ndarray:
    """The values, missing where they are infinite: clipped later, those would look like any."""
    infinite = np.isinf(np.asarray(values))
    return np.where(infinite, np.nan, values) if infinite.any() else values


def _lags(dvol: pd.Series, study: StudyParams) -> dict[str, pd.Series]:
    back = study.target.horizon_hours if study.features.lags_from == "target" else 0
    return {name: dvol.shift(max(hours - back, 0)) for name, hours in _LAGS.items()}


def _onchain(frame: pd.DataFrame) -> dict[str, pd.Series]:
    return {
        "transaction_volume": np.log(frame["transfer_volume_usd"]),
        "network_activity": np.log(frame["active_addresses"]),
        "nvrv": frame["mvrv"] - 1,
    }


def _jump_state(flags: pd.DataFrame, volatility: pd.Series) -> dict[str, pd.Series]:
    is_jump = flags["is_jump"].fillna(False).astype(bool)
    position = pd.Series(np.arange(len(flags), dtype=float), index=flags.index)
    since = (position - position.where(is_jump).ffill()).clip(upper=720).fillna(720)
    return {
        "jump_indicator": is_jump.astype(float),
        "jump_magnitude": flags["jump_size"].fillna(0.0) / (24**0.5 * volatility),
        "days_since_jump": np.log1p(since / 24),
        "jump_cluster_7d": np.log1p(is_jump.astype(float).rolling(168, min_periods=1).sum()),
    }


def _har(dvol: pd.Series, volatility: pd.Series) -> dict[str, pd.Series]:
    level = np.log(dvol)
    day = 24**0.5 * volatility
    gaps = {f"gap_{h}h": (level - _rolling_mean(level, h)) / day for h in _HAR_HOURS}
    return {**gaps, "log_level": level - np.log(60)}


def _calendar(times: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    hour_of_week = (times.day_of_week * 24 + times.hour).to_numpy()
    phase = 2 * np.pi * np.arange(168) / 168
    waves = {"sin": np.sin, "cos": np.cos}
    return {
        f"week_{part}_{k}": waves[part](k * phase)[hour_of_week]
        for k in _HARMONICS
        for part in waves
    }


def _market(price: pd.Series) -> dict[str, pd.Series]:
    returns = np.log(price).diff()
    hourly = np.sqrt(_rolling_mean(returns**2, 720))
    moves = {f"return_{h}h": np.log(price).diff(h) / (hourly * h**0.5) for h in (1, 24, 168)}
    ratio = np.sqrt(_rolling_mean(returns**2, 24)) / hourly
    return {**moves, "volatility_ratio": np.log(ratio.where(ratio > 0))}  # a flat day has none


def _funding(rate: pd.Series) -> dict[str, pd.Series]:
    return {"funding_8h": rate * 1e4, "funding_3d": _rolling_mean(rate, 72) * 1e4}


def _short_volatility(
    frame: pd.DataFrame, flags: pd.DataFrame, volatility: pd.Series
) -> dict[str, pd.Series]:
    ratio = trailing_volatility(frame, flags, _SHORT_HOURS) / volatility
    return {f"volatility_{_SHORT_HOURS}h": ratio.where(ratio > 0)}  # a unit is never zero


def _clock(times: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    hour = times.hour.to_numpy()
    return {
        "hour_of_day": hour / 24,
        "hour_of_week": (24 * times.day_of_week.to_numpy() + hour) / 168,
    }


def _expiry(times: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    month = near_expiry(times, _EXPIRY_HOURS)
    quarter = near_expiry(times, _EXPIRY_HOURS, quarterly=True)
    flags = (*month, *quarter)
    return {name: flag.astype(float) for name, flag in zip(GROUPS["expiry"], flags, strict=True)}


def _macro(times: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    near = LOOK_AHEAD_HOURS // 2
    soon = releases_ahead(times, near)
    later = releases_ahead(times, LOOK_AHEAD_HOURS, after_hours=near)
    return {"macro_ahead": soon.astype(float), "macro_later": later.astype(float)}


def _place(asset: str, study: StudyParams) -> float:
    assets = study.data.assets
    if asset not in assets:
        raise ValueError(f"panel holds {asset}; data.assets names {', '.join(assets)}")
    return float(np.linspace(-1, 1, len(assets))[assets.index(asset)]) if len(assets) > 1 else 0.0


def _rolling_mean(values: pd.Series, window: int) -> pd.Series:
    return values.rolling(window, min_periods=max(window // 2, 1)).mean()
