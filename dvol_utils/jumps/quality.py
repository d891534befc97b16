"""How far the flags of the jump test can be trusted: alternatives, truth, and true size."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dvol_utils.jumps.detection import detect_jumps, panel_periodicity
from dvol_utils.jumps.patterns import nearest_mark, percentage
from dvol_utils.jumps.statistics import (
    Floats,
    Mask,
    benjamini_hochberg,
    normal_p_values,
    spurious_rate,
    universal_threshold,
)
from dvol_utils.study.fitting_section import JumpParams

SIZE_EDGES = (0.02, 0.05, 0.10)  # of absolute log size
PLAIN = "Lee-Mykland"
_QUALITY_COLUMNS = ["tolerance_hours", "size", "true_jumps", "found", "recall", "delay_hours"]
_QUALITY_COLUMNS += ["flags", "correct", "precision"]


def periodicity_variants(
    panel: pd.DataFrame,
    params: JumpParams,
    *,
    before: pd.Timestamp,
    column: str = "dvol_close",
) -> dict[str, pd.DataFrame]:
    """Factors from hours before `before`, with volatility standardised by day and by week.

    Returns
    -------
    dict of name to DataFrame, as `panel_periodicity` returns them: "by day", "by week".
    """
    return {
        name: panel_periodicity(
            panel,
            params.periodicity_slots,
            before=before,
            column=column,
            standardise_hours=hours,
        )
        for name, hours in (("by day", 24), ("by week", 168))
    }


def flag_variants(
    panel: pd.DataFrame,
    params: JumpParams,
    factors: Mapping[str, pd.DataFrame],
    *,
    column: str = "dvol_close",
) -> pd.DataFrame:
    """Flags of the plain test and of its alternatives on the same hours.

    Parameters
    ----------
    panel, params, column
        As in `detect_jumps`.
    factors : mapping of name to DataFrame
        Periodicity, as `periodicity_variants` returns it.

    Returns
    -------
    DataFrame of bool
        Index of the panel; one column per method: the plain test, the test on returns divided by
        each periodicity, Benjamini-Hochberg on all hours of an asset at level `params.alpha`, and
        the universal threshold for `params.n_tests`.
    """
    plain = detect_jumps(panel, params, column=column)
    flags = {PLAIN: plain["is_jump"]}
    for name, table in factors.items():
        corrected = detect_jumps(panel, params, column=column, periodicity=table)
        flags[f"periodicity {name}"] = corrected["is_jump"]
    by_asset = plain.groupby("asset", sort=False)["statistic"]
    flags["false discovery rate"] = by_asset.transform(
        lambda statistic: benjamini_hochberg(normal_p_values(statistic), params.alpha)
    ).astype(bool)
    universal = universal_threshold(plain["statistic"], params.n_tests)
    flags["universal threshold"] = pd.Series(universal, index=plain.index)
    return pd.DataFrame(flags)


def compare_variants(flags: pd.DataFrame, true_jump: pd.Series | None = None) -> pd.DataFrame:
    """Counts of each method and its overlap with the first one.

    Parameters
    ----------
    flags : DataFrame of bool
        As `flag_variants` returns them.
    true_jump : Series of bool, optional
        Truth on the same rows; adds precision and recall at the very hour.

    Returns
    -------
    DataFrame
        `method, flags, share_pct, shared` (with the first method), `only_here, only_first` and,
        with a truth, `precision, recall` (0..1).
    """
    first = flags.iloc[:, 0]
    rows = []
    for method, flag in flags.items():
        row = {
            "method": method,
            "flags": int(flag.sum()),
            "share_pct": 100 * flag.mean(),
            "shared": int((flag & first).sum()),
            "only_here": int((flag & ~first).sum()),
            "only_first": int((first & ~flag).sum()),
        }
        if true_jump is not None:
            hits = int((flag & true_jump).sum())
            row["precision"] = percentage(hits, row["flags"]) / 100
            row["recall"] = percentage(hits, true_jump.sum()) / 100
        rows.append(row)
    return pd.DataFrame(rows)


def mark_true(jumps: pd.DataFrame, truth: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Add `true_jump` (bool) where the truth is known; without any, the table as it is."""
    if not truth:
        return jumps
    return jumps.assign(true_jump=_true_size(jumps, truth) != 0)


def detection_quality(
    jumps: pd.DataFrame,
    truth: Mapping[str, pd.Series] | pd.Series,
    *,
    tolerance_hours: Sequence[int] = (0, 2),
    size_edges: Sequence[float] = SIZE_EDGES,
) -> pd.DataFrame:
    """Precision, recall and delay of the flags against known jumps, by size.

    Parameters
    ----------
    jumps : DataFrame
        Table of `detect_jumps`.
    truth : mapping of asset to Series, or Series for a single asset
        Log size of each true jump, indexed by time (bar close, UTC).
    tolerance_hours : sequence of int, default (0, 2)
        A true jump at t counts as found when an hour in `t .. t + tolerance` is flagged.
    size_edges : sequence of float
        Edges of the size classes, absolute log size.

    Returns
    -------
    DataFrame
        One row per tolerance and size class ("all" first): `tolerance_hours, size, true_jumps,
        found, recall` (by true size), `delay_hours` (mean over found ones), `flags, correct,
        precision` (by size of the flagged return). Empty where `truth` is. True jumps in hours
        that could not be tested do not count.
    """
    truth = _by_asset(jumps, truth)
    if not truth:
        return pd.DataFrame(columns=_QUALITY_COLUMNS)
    size = _true_size(jumps, truth)
    # A jump in an hour without a full window before it could not be found by any test.
    true = (size != 0) & jumps["statistic"].notna().to_numpy()
    flagged, flag_size = jumps["is_jump"].to_numpy(), jumps["jump_size"].to_numpy()
    rows = []
    for tolerance in tolerance_hours:
        delay = nearest_mark(jumps, flagged, range(tolerance + 1))
        # Looks back: a flag is correct if the true jump came with it or just before it.
        correct = ~np.isnan(nearest_mark(jumps, true, range(-tolerance, 1)))
        for name, low, high in _classes(size_edges):
            delays = delay[true & _within(size, low, high)]
            hits = correct[flagged & _within(flag_size, low, high)]
            rows.append({"tolerance_hours": tolerance, "size": name, **_rates(delays, hits)})
    return pd.DataFrame(rows)


def false_alarm_rates(params: JumpParams, *, seed: int = 0) -> pd.DataFrame:
    """Nominal and true rate of false alarms, by simulation of Gaussian hours without jumps.

    Returns
    -------
    DataFrame
        `setting, return_in_window, window, n_tests, nominal_pct` (chance of a false alarm in the
        family, as stated), `one_return` (chance at one return, times 1e6), `family_pct` (chance in
        the family if tests were independent) for the study's setting and for the hourly year of
        Lee and Mykland at 5 %, with the tested return outside its own window and inside it.

    Notes
    -----
    Lee and Mykland's Table 1 gives 21.8 for the last row's setting, hours and 5 %, with the tested
    return outside its window; the simulation finds that value with the return inside it.
    """
    settings = {
        "this study": (params.window, params.n_tests, params.alpha),
        # The setting of the paper's Table 1 for hours, to be held against its own figure.
        "252 days of 24 hours": (78, 6_048, 0.05),
    }
    rows = []
    for name, (window, n, alpha) in settings.items():
        for inside in (False, True):
            rate = spurious_rate(
                window=window, alpha=alpha, n_tests=n, include_current=inside, seed=seed
            )
            row = {"setting": name, "return_in_window": "yes" if inside else "no"}
            row |= {"window": window, "n_tests": n, "nominal_pct": 100 * alpha}
            rows.append(row | {"one_return": 1e6 * rate, "family_pct": 100 * (1 - (1 - rate) ** n)})
    return pd.DataFrame(rows)


def _by_asset(
    jumps: pd.DataFrame, truth: Mapping[str, pd.Series] | pd.Series
) -> Mapping[str, pd.Series]:
    if not isinstance(truth, pd.Series):
        return truth
    assets = list(jumps["asset"].unique())
    if len(assets) != 1:
        raise ValueError(f"truth: a single Series, but jumps has assets {assets}; name the asset")
    return {assets[0]: truth}


def _true_size(jumps: pd.DataFrame, truth: Mapping[str, pd.Series]) -> Floats:
    """Log size of the true jump in each row, 0 without one."""
    size = np.zeros(len(jumps))
    for asset, rows in jumps.groupby("asset", sort=False).indices.items():
        if asset not in truth:
            raise ValueError(f"truth: no jumps of {asset}; found {sorted(truth)}")
        times = pd.DatetimeIndex(jumps["time"].iloc[rows])
        size[rows] = truth[asset].reindex(times, fill_value=0.0).to_numpy(dtype=float)
    return size


def _classes(edges: Sequence[float]) -> list[tuple[str, float, float]]:
    """Name, lowest and highest absolute log size of each class, all sizes first."""
    bounds = [0.0, *edges, np.inf]
    named = [("all", 0.0, np.inf)]
    for low, high in itertools.pairwise(bounds):
        if low == 0:
            name = f"below {100 * high:g} %"
        elif high == np.inf:
            name = f"{100 * low:g} % and more"
        else:
            name = f"{100 * low:g} to {100 * high:g} %"
        named.append((name, low, high))
    return named


def _rates(delays: Floats, hits: Mask) -> dict[str, float]:
    detected = delays[~np.isnan(delays)]
    return {
        "true_jumps": len(delays),
        "found": len(detected),
        "recall": percentage(len(detected), len(delays)) / 100,
        "delay_hours": float(detected.mean()) if len(detected) else float("nan"),
        "flags": len(hits),
        "correct": int(hits.sum()),
        "precision": percentage(hits.sum(), len(hits)) / 100,
    }


def _within(size: Floats, low: float, high: float) -> Mask:
    return (np.abs(size) >= low) & (np.abs(size) < high)
