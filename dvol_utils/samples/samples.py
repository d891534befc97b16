"""Rolling scaling, target and splits: features in, rows to learn from out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dvol_utils.samples.features import (
    build_features,
    feature_columns,
    jump_regime,
    level_regime,
    trailing_volatility,
)
from dvol_utils.study.fitting_section import SplitParams
from dvol_utils.study.params import StudyParams

# Columns without natural units, scaled by their own recent past; the lags by DVOL's.
_OWN_SCALE = ("transaction_volume", "network_activity", "nvrv", "dvol_rv_spread")
_DVOL_SCALE = ("dvol_lag_1d", "dvol_lag_7d", "dvol_lag_30d")
OWN_PAST = (*_DVOL_SCALE, *_OWN_SCALE)


@dataclass(frozen=True)
class Samples:
    """One asset, one row an hour: all that forecasters see, and what they are scored on.

    `features` (rows, columns) is scaled. `scale` is the trailing standard deviation of the log
    change over the horizon; `target` is that change in units of `scale`, missing at the end. Where
    there is a `location`, `target` is the level less `location`, in units of `scale` (points).
    `split` is train, validation, test or None. `complete` marks rows whose inputs are all there,
    `scored` those on which every model is scored: complete, neither origin nor target imputed.
    `fitting` marks the rows whose outcome is known, where models that need no early stopping may
    learn from more than the train rows. `age_weight`, where there is one, multiplies the weight of
    a row for the networks: the older, the less.
    """

    asset: str
    times: pd.DatetimeIndex
    horizon: int
    features: pd.DataFrame
    dvol: np.ndarray
    scale: np.ndarray
    target: np.ndarray
    outcome: np.ndarray
    weight: np.ndarray
    split: np.ndarray
    complete: np.ndarray
    scored: np.ndarray
    jump_regime: np.ndarray
    level_regime: np.ndarray
    location: np.ndarray | None = None
    fitting: np.ndarray | None = None
    age_weight: np.ndarray | None = None

    def rows(self, split: str) -> np.ndarray:
        """Positions of a split's scored rows, in time order."""
        return np.flatnonzero((self.split == split) & self.scored)

    def fitting_rows(self) -> np.ndarray:
        """Positions of the scored rows that models without early stopping learn from, in order.

        The train rows; in a fold of a walk also those that only stop the networks.
        """
        if self.fitting is None:
            return self.rows("train")
        return np.flatnonzero(self.fitting & self.scored)

    def to_points(self, forecast: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Map forecasts of the scaled target, at all rows or at some, to index points."""
        at = slice(None) if rows is None else rows
        if self.location is not None:
            return self.location[at] + forecast * self.scale[at]
        return self.dvol[at] * np.exp(forecast * self.scale[at])

    def target_times(self, rows: np.ndarray) -> pd.DatetimeIndex:
        """When the targets of some rows are known: `horizon` rows on, one row an hour or not."""
        return self.times[rows + self.horizon]


def build_samples(
    panel: pd.DataFrame,
    jumps: pd.DataFrame,
    study: StudyParams,
    *,
    asset: str | None = None,
    splits: Sequence[str] = ("train", "validation", "test"),
) -> Samples:
    """Features, scaled target, weights and split of one asset's panel.

    Parameters
    ----------
    panel, jumps : DataFrame
        Hourly rows in the same order.
    study : StudyParams
    asset : str, optional
        Whose rows to take; without it the panel has to hold one asset.
    splits : sequence of str
        Those that must have rows; none where fitted models are asked about any hours.

    Raises
    ------
    ValueError
        More than one asset and none named, one that the panel does not hold, or one of `splits`
        without a single usable row.
    """
    assets = panel["asset"].unique()
    if asset is not None:
        if asset not in assets:
            raise ValueError(f"asset: found {asset!r}; the panel holds {', '.join(assets)}")
        panel, jumps = (table[table["asset"] == asset] for table in (panel, jumps))
    elif len(assets) != 1:
        raise ValueError(f"panel holds assets {list(assets)}; build samples for one at a time")
    frame = panel.set_index("time")
    flags = jumps.set_index("time").reindex(frame.index)
    is_jump = flags["is_jump"].fillna(False).astype(bool)
    horizon = study.target.horizon_hours
    outcome = frame["dvol_close"].shift(-horizon)
    split = split_labels(frame.index, study.split, horizon)
    part = _scaling_parts(frame.index, study)
    location, scale = _target_scaling(frame, flags, part, study)
    level = np.log(outcome / frame["dvol_close"]) if location is None else outcome - location
    target = level / scale
    features = scale_features(build_features(panel, jumps, study), is_jump, frame, study)
    regime = jump_regime(is_jump, study.jumps.regime_hours)
    levels = level_regime(frame["dvol_close"], study.evaluation.level_window_hours)
    imputed = frame["imputed"] | frame["imputed"].shift(-horizon, fill_value=True)
    complete = _complete_windows(features, study)
    samples = Samples(
        asset=str(asset or assets[0]),
        times=frame.index,
        horizon=horizon,
        features=features,
        dvol=frame["dvol_close"].to_numpy(float),
        scale=scale.to_numpy(float),
        target=target.to_numpy(float),
        outcome=outcome.to_numpy(float),
        weight=_jump_weights(regime.to_numpy(), study.training.jump_weight),
        split=split,
        complete=complete.to_numpy(bool),
        scored=(complete & ~imputed & target.notna() & levels.notna()).to_numpy(bool),
        jump_regime=np.where(regime, "jump", "normal"),
        level_regime=levels.to_numpy(object),
        location=None if location is None else location.to_numpy(float),
    )
    for name in splits:
        if not len(samples.rows(name)):
            raise ValueError(
                f"the {name} split has no usable row: the panel runs from {frame.index[0]} to "
                f"{frame.index[-1]}, split {study.split!r}; lengthen the data or move the split"
            )
    return samples


def reweighted(samples: Samples, jump_weight: float) -> Samples:
    """The same samples, where hours of the jump regime weigh `jump_weight` in the loss."""
    jump = samples.jump_regime == "jump"
    return replace(samples, weight=_jump_weights(jump, jump_weight))


def _jump_weights(jump: np.ndarray, jump_weight: float) -> np.ndarray:
    return np.where(jump, jump_weight, 1.0)


def scale_features(
    features: pd.DataFrame, is_jump: pd.Series, frame: pd.DataFrame, study: StudyParams
) -> pd.DataFrame:
    """Scale columns without natural units over the trailing window and limit all to +- clip.

    Location and scale come from the window's hours up to the row's own; hours flagged as jumps
    do not enter them (regime-aware scaling) unless `features.exclude_jumps` is off.
    """
    window, clip = study.features.scaling_window_hours, study.features.clip
    left_out = is_jump & study.features.exclude_jumps
    part = _scaling_parts(frame.index, study)
    by_level = study.features.lags_from == "target"
    dvol = rolling_location_scale(frame["dvol_close"], left_out, window, part)
    scaled = {}
    for name, values in features.items():  # column by column: copies of the table cost gigabytes
        if name in OWN_PAST:
            level = by_level and name in _DVOL_SCALE
            own = dvol if level else rolling_location_scale(values, left_out, window, part)
            values = (values - own["location"]) / own["scale"]
        scaled[name] = np.clip(values.to_numpy(), -clip, clip)
    return pd.DataFrame(scaled, index=features.index, copy=False)


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


def _scaling_parts(times: pd.DatetimeIndex, study: StudyParams) -> np.ndarray | None:
    """Which of the three parts of time each row lies in, where each is scaled apart."""
    if not study.split.separate_scaling:
        return None
    starts = pd.DatetimeIndex([study.split.validation_start, study.split.test_start])
    return starts.searchsorted(times, side="right")


def _target_scaling(
    frame: pd.DataFrame, flags: pd.DataFrame, part: np.ndarray | None, study: StudyParams
) -> tuple[pd.Series | None, pd.Series]:
    """Location (points, or None) and scale by which the target of each row is measured."""
    target = study.target
    if target.kind == "log_change":
        volatility = trailing_volatility(frame, flags, target.volatility_window_hours)
        return None, target.horizon_hours**0.5 * volatility
    none = pd.Series(False, index=frame.index)
    window = study.features.scaling_window_hours
    scaling = rolling_location_scale(frame["dvol_close"], none, window, part)
    if target.scaled_at == "target":
        scaling = scaling.shift(-target.horizon_hours)
    return scaling["location"], scaling["scale"]


def split_labels(times: pd.DatetimeIndex, split: SplitParams, horizon: int) -> np.ndarray:
    """Split of every origin (train, validation, test, None), shape (rows,).

    An origin belongs to a split only if its target lies before the next split's first origin: the
    embargo of one horizon.
    """
    # By rows, which are hours unless some were dropped; by hours beyond the last row.
    target_times = times[horizon:].append(times[-horizon:] + pd.Timedelta(hours=horizon))
    labels = np.full(len(times), None, dtype=object)
    labels[target_times < split.validation_start] = "train"
    labels[(times >= split.validation_start) & (target_times < split.test_start)] = "validation"
    labels[times >= split.test_start] = "test"
    return labels


def _complete_windows(features: pd.DataFrame, study: StudyParams) -> pd.Series:
    """Rows whose whole input window has every column that any of the study's models reads."""
    columns = feature_columns([*study.features.groups, "har", "calendar", "volatility"])
    missing = np.zeros(len(features), bool)
    for name in columns:
        missing |= np.isnan(features[name].to_numpy())
    return pd.Series(missing, features.index, float).rolling(study.training.window_hours).sum() == 0
