"""Trailing scales: inputs in units of their own past, the target in units of its own."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from dvol_utils.samples.features import trailing_volatility
from dvol_utils.study.params import StudyParams

# Columns without natural units, scaled by their own recent past; the lags by DVOL's.
_OWN_SCALE = ("transaction_volume", "network_activity", "nvrv", "dvol_rv_spread")
_DVOL_SCALE = ("dvol_lag_1d", "dvol_lag_7d", "dvol_lag_30d")
OWN_PAST = (*_DVOL_SCALE, *_OWN_SCALE)


def scale_features(
    features: Iterable[tuple[str, pd.Series]],
    is_jump: pd.Series,
    frame: pd.DataFrame,
    study: StudyParams,
) -> pd.DataFrame:
    """Scale columns without natural units over the trailing window and limit all to +- clip.

    `features` are names and columns, such as those of `feature_values`: they are taken one by one,
    because the table of all of them beside the scaled one costs gigabytes.

    Location and scale come from the window's hours up to the row's own; hours flagged as jumps
    do not enter them (regime-aware scaling) unless `features.exclude_jumps` is off.
    """
    window, clip = study.features.scaling_window_hours, study.features.clip
    left_out = is_jump & study.features.exclude_jumps
    part = _scaling_parts(frame.index, study)
    by_level = study.features.lags_from == "target"
    dvol = rolling_location_scale(frame["dvol_close"], left_out, window, part)
    scaled = {}
    for name, values in features:
        if name in OWN_PAST:
            level = by_level and name in _DVOL_SCALE
            level_scale = dvol if level else rolling_location_scale(values, left_out, window, part)
            values = (values - level_scale["location"]) / level_scale["scale"]
        scaled[name] = np.clip(values.to_numpy(), -clip, clip)
    return pd.DataFrame(scaled, index=frame.index, copy=False)


def rolling_location_scale(
    values: pd.Series, is_jump: pd.Series, window: int, part: np.ndarray | None = None
) -> pd.DataFrame:
    """Trailing mean and standard deviation without jump hours: columns `location, scale`.

    Missing until half the window is there; a window without variation has no scale. With `part`, a
    label a row, no window reaches from one part into another, and only full windows count.
    """
    calm = values.mask(is_jump)
    if part is None:
        windows = calm.rolling(window, min_periods=window // 2)
        location, scale = windows.mean(), windows.std()
    else:
        windows = calm.groupby(part, sort=False).rolling(window)
        location, scale = (w.droplevel(0) for w in (windows.mean(), windows.std()))
    flat = scale <= 1e-9 * location.abs()
    return pd.DataFrame({"location": location, "scale": scale.mask(flat)})


def target_scaling(
    frame: pd.DataFrame, flags: pd.DataFrame, study: StudyParams
) -> tuple[pd.Series | None, pd.Series]:
    """Location (points, or None) and scale by which the target of each row is measured."""
    target = study.target
    if target.kind == "log_change":
        volatility = trailing_volatility(frame, flags, target.volatility_window_hours)
        return None, target.horizon_hours**0.5 * volatility
    none = pd.Series(False, index=frame.index)
    window, part = study.features.scaling_window_hours, _scaling_parts(frame.index, study)
    scaling = rolling_location_scale(frame["dvol_close"], none, window, part)
    if target.scaled_at == "target":
        scaling = scaling.shift(-target.horizon_hours)
    return scaling["location"], scaling["scale"]


def _scaling_parts(times: pd.DatetimeIndex, study: StudyParams) -> np.ndarray | None:
    """Which of the three parts of time each row lies in, where each is scaled apart."""
    if not study.split.separate_scaling:
        return None
    starts = pd.DatetimeIndex([study.split.validation_start, study.split.test_start])
    return starts.searchsorted(times, side="right")
