"""Features, scaled target and split of every hour: what models learn from and are asked about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from dvol_utils.samples.features import (
    GROUPS,
    absent_features,
    feature_columns,
    feature_values,
    jump_regime,
    level_regime,
)
from dvol_utils.samples.scaling import scale_features, target_scaling
from dvol_utils.study.data_section import ENDED_AFTER_HOURS
from dvol_utils.study.fitting_section import SplitParams
from dvol_utils.study.params import StudyParams


@dataclass(frozen=True)
class Samples:
    """One asset, one row per hour: all that forecasters see, and what they are scored on.

    Arrays have one entry per row. `folds.fold_samples` alone changes what may be learnt from: it
    sets `split`, `fitting` and `age_weight` for a fold, and `complete` to the hours it is asked
    about.
    """

    asset: str
    times: pd.DatetimeIndex  # origins: close of the hour's bar, UTC, in order
    horizon: int  # rows from an origin to its target
    features: pd.DataFrame  # (rows, inputs): scaled, without units; missing where not known
    dvol: np.ndarray  # index points, at the origin
    scale: np.ndarray  # trailing deviation: of log changes over the horizon, or of levels (points)
    target: np.ndarray  # log change, or level less `location`, over `scale`; missing at the end
    outcome: np.ndarray  # index points, a horizon on; missing at the end
    split: np.ndarray  # "train", "validation", "test" or None
    complete: np.ndarray  # bool: every input that has not ended is there in the row's window
    scored: np.ndarray  # bool: complete, level regime and target known, no end of it imputed
    jump_regime: np.ndarray  # "jump" or "normal"
    level_regime: np.ndarray  # "low", "middle" or "high"; None in the first weeks
    location: np.ndarray | None = None  # index points, where the target is a level
    fitting: np.ndarray | None = None  # bool: what models without early stopping may learn from
    age_weight: np.ndarray | None = None  # in (0, 1]: the older a row, the less it weighs
    ended: Mapping[str, int] = field(default_factory=dict)  # last row of inputs that ended

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

    def as_far_as(self, columns: Iterable[str]) -> Samples:
        """The samples of a model that reads some inputs: after one that ended nothing is asked."""
        ends = [self.ended[name] for name in columns if name in self.ended]
        if not ends:
            return self
        there = np.arange(len(self.times)) <= min(ends)
        return replace(self, complete=self.complete & there, scored=self.scored & there)

    def to_points(self, forecast: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Map forecasts of the scaled target, at all rows or at some, to index points."""
        at = slice(None) if rows is None else rows
        if self.location is not None:
            return self.location[at] + forecast * self.scale[at]
        return self.dvol[at] * np.exp(forecast * self.scale[at])

    def target_times(self, rows: np.ndarray) -> pd.DatetimeIndex:
        """When the targets of some rows are known; some may lie beyond the last row."""
        return _target_times(self.times, self.horizon)[rows]

    def loss_weights(self, jump_weight: float) -> np.ndarray:
        """Weight of each row in a network's loss, (rows,): `jump_weight` in the jump regime."""
        return np.where(self.jump_regime == "jump", jump_weight, 1.0)


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
    location, scale = target_scaling(frame, flags, study)
    level = np.log(outcome / frame["dvol_close"]) if location is None else outcome - location
    target = (level / scale).where(scale > 0)  # over a DVOL that stood still nothing is measured
    features = scale_features(feature_values(panel, jumps, study), is_jump, frame, study)
    regime = jump_regime(is_jump, study.jumps.regime_hours)
    levels = level_regime(frame["dvol_close"], study.evaluation.level_window_hours)
    imputed = frame["imputed"] | frame["imputed"].shift(-horizon, fill_value=True)
    ended = ended_inputs(features)
    complete = _complete_windows(features, ended, study)
    samples = Samples(
        asset=str(asset or assets[0]),
        times=frame.index,
        horizon=horizon,
        features=features,
        dvol=frame["dvol_close"].to_numpy(float),
        scale=scale.to_numpy(float),
        target=target.to_numpy(float),
        outcome=outcome.to_numpy(float),
        split=split,
        complete=complete.to_numpy(bool),
        scored=(complete & ~imputed & target.notna() & levels.notna()).to_numpy(bool),
        jump_regime=np.where(regime, "jump", "normal"),
        level_regime=levels.to_numpy(object),
        location=None if location is None else location.to_numpy(float),
        ended=ended,
    )
    for name in splits:
        if not len(samples.rows(name)):
            raise ValueError(
                f"the {name} split has no usable row: the panel runs from {frame.index[0]} to "
                f"{frame.index[-1]}, split.validation_start is {study.split.validation_start}, "
                f"split.test_start {study.split.test_start}, target.horizon_hours {horizon}; "
                "lengthen the data, move the split, or shorten windows and horizon"
            )
    return samples


def split_labels(times: pd.DatetimeIndex, split: SplitParams, horizon: int) -> np.ndarray:
    """Split of every origin (train, validation, test, None), shape (rows,).

    An origin belongs to a split only if its target lies before the next split's first origin: the
    embargo of one horizon. Origins after `split.test_end` belong to none.
    """
    target_times = _target_times(times, horizon)
    labels = np.full(len(times), None, dtype=object)
    labels[target_times < split.validation_start] = "train"
    labels[(times >= split.validation_start) & (target_times < split.test_start)] = "validation"
    labels[times >= split.test_start] = "test"
    if split.test_end is not None:
        labels[times > split.test_end] = None
    return labels


def _target_times(times: pd.DatetimeIndex, horizon: int) -> pd.DatetimeIndex:
    """By rows, which are hours unless some were dropped; by hours beyond the last row."""
    return times[horizon:].append(times[-horizon:] + pd.Timedelta(hours=horizon))


def ended_inputs(features: pd.DataFrame) -> dict[str, int]:
    """Last row with a value of each column that ended `ENDED_AFTER_HOURS` or more before the rest.

    Parameters
    ----------
    features : DataFrame
        Inputs, one row per hour, missing where not known; a column without any value never began.
    """
    last = {}
    for name, column in features.items():  # one by one: all positions take as much as all values
        rows = np.flatnonzero(np.isfinite(column.to_numpy()))
        if len(rows):
            last[str(name)] = int(rows[-1])
    newest = max(last.values(), default=0)
    return {name: row for name, row in last.items() if newest - row >= ENDED_AFTER_HOURS}


def _complete_windows(
    features: pd.DataFrame, ended: Mapping[str, int], study: StudyParams
) -> pd.Series:
    """Rows in whose whole input window every column that a model of the study reads is finite.

    One that ended is asked for up to its end: before it, all models stand on the same rows. Groups
    that lack a series throughout do not count: models that read them are left out.
    """
    absent = set(absent_features(features))
    wanted = {*study.features.groups, "har", "calendar", "volatility"}
    columns = feature_columns([name for name in wanted if absent.isdisjoint(GROUPS[name])])
    missing = np.zeros(len(features), bool)
    for name in columns:
        until = ended.get(name, len(features))
        missing[: until + 1] |= ~np.isfinite(features[name].to_numpy()[: until + 1])
    return pd.Series(missing, features.index, float).rolling(study.training.window_hours).sum() == 0
