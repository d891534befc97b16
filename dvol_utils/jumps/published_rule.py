"""The published study's jump rule, kept for comparison: thresholds that look at the whole sample.

The study calls its rule a Lee-Mykland test at the 99.9 % level. It is the union of three rules. The
first compares a squared return with a bipower variance that holds the return itself, and its
threshold is one for the largest of many normal statistics, not for this one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.jumps.detection import detect_jumps
from dvol_utils.study.fitting_section import JumpParams

# The three thresholds are those of the study's code; Notes below have its formulas.
_WINDOW = 22  # rows of the bipower variance
_LEVEL_SDS = 3.0
_CHANGE_SDS = 3.5
RULES = ("bipower", "level", "change")


def jumps_by_rule(panel: pd.DataFrame, params: JumpParams) -> pd.DataFrame:
    """Jumps of a panel's DVOL by the study's rule, columns as `detect_jumps` gives them."""
    return published_jumps(panel) if params.rule == "published" else detect_jumps(panel, params)


def published_jumps(
    panel: pd.DataFrame, *, column: str = "dvol_close", before: pd.Timestamp | None = None
) -> pd.DataFrame:
    """Flags of the published rule, asset by asset; every row depends on all others.

    Parameters
    ----------
    panel : DataFrame
        `time` (bar close, UTC, increasing per asset), `asset` and `column` (a positive level).
    column : str, default "dvol_close"
    before : Timestamp, optional
        Take the thresholds from rows before this time only, which the published study did not.

    Returns
    -------
    DataFrame
        Rows and index of the panel: `time, asset, log_return, sigma` (square root of the bipower
        variance), `periodicity` (1), `statistic` (of the bipower rule), `p_value` (missing: the
        rule has none), `is_jump` (any of the three rules), `jump_size` (the log return of a flagged
        row, else 0).

    Raises
    ------
    ValueError
        A level is missing or not positive, or an asset has fewer rows than the rule's window.
    """
    parts = []
    for asset, rows in panel.groupby("asset", sort=False):
        level = rows[column].astype(float)
        reference = None if before is None else level[rows["time"] < before]
        flags = published_rules(level, reference, name=f"panel: {asset}: {column}")
        log_return = np.log(level).diff()
        is_jump = flags[list(RULES)].any(axis=1)
        parts.append(
            pd.DataFrame(
                {
                    "time": rows["time"],
                    "asset": rows["asset"],
                    "log_return": log_return,
                    "sigma": flags["sigma"],
                    "periodicity": 1.0,
                    "statistic": flags["statistic"],
                    "p_value": np.nan,
                    "is_jump": is_jump,
                    # The level rule may flag the first row, which has no return.
                    "jump_size": log_return.where(is_jump, 0.0).fillna(0.0),
                }
            )
        )
    # Back into the panel's order, from one asset after the other.
    return pd.concat(parts).loc[panel.index]


def published_rules(
    level: pd.Series, reference: pd.Series | None = None, *, name: str = "level"
) -> pd.DataFrame:
    """The three rules apart, for one asset.

    Parameters
    ----------
    level : Series of shape (n,)
        Index points, in order of time; rows are taken for hours.
    reference : Series, optional
        Rows from which n, means and standard deviations are taken; without it all of `level`, as in
        the published study.
    name : str
        What errors call the series.

    Returns
    -------
    DataFrame
        `statistic, sigma` of the first rule, then the flags `bipower, level, change` (bool, False
        where not testable).

    Notes
    -----
    With simple returns r, `b_t = (pi/2) (mean of |r| over 22 rows, r_t included)^2` and
    `beta = sqrt(2 log n)`, a row is flagged where
    `(r_t^2 / b_t - 1) sqrt(pi/2) sqrt(22) > beta - (log pi + log log n) / (2 beta)`; where the
    level lies more than 3 standard deviations above its mean; and where the hourly change lies
    more than 3.5 standard deviations from its mean.
    """
    base = level if reference is None else reference
    bad = np.flatnonzero(~(level.to_numpy(float) > 0))
    if len(bad):
        row = bad[0]
        raise ValueError(f"{name}: row {row}: found {level.iloc[row]}; should be positive")
    # As many rows as the window are one too few: the first has no return.
    if min(len(level), len(base)) <= _WINDOW:
        found = min(len(level), len(base))
        raise ValueError(f"{name}: found {found} rows; should be more than {_WINDOW}")
    # Simple returns, and the row's own in its window: so the study computed them.
    returns = level.pct_change()
    variance = np.pi / 2 * returns.abs().rolling(_WINDOW).mean() ** 2
    # A window without a move has no variance; pandas' running sum can leave rounding there.
    moved = (returns != 0).rolling(_WINDOW).sum() > 0
    variance = variance.where(moved)
    statistic = (returns**2 / variance - 1) * np.sqrt(np.pi / 2) * np.sqrt(_WINDOW)
    beta = np.sqrt(2 * np.log(len(base)))
    threshold = beta - (np.log(np.pi) + np.log(np.log(len(base)))) / (2 * beta)
    # In points, not in percent or logs, as the study's third rule has it.
    change, usual = level.diff(), base.diff()
    return pd.DataFrame(
        {
            "statistic": statistic,
            "sigma": np.sqrt(variance),
            "bipower": statistic > threshold,
            "level": level > base.mean() + _LEVEL_SDS * base.std(),
            "change": (change - usual.mean()).abs() > _CHANGE_SDS * usual.std(),
        }
    )
