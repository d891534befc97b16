"""Where a model's gain over persistence comes from: by weekday, hour, week, level and jump regime.

The gain of an hour is the squared error of persistence less that of the model. Gains add up, so a
group's part of the skill is its gain over the squared error of persistence on all hours, and the
parts of all groups sum to the skill. A share of the gain is a part over the skill; it has no
interval of its own, since the skill that it is divided by may be zero, but the part has one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from dvol_utils.evaluation import add_calendar, contributions
from dvol_utils.significance.gains import summed_gain
from dvol_utils.significance.resampling import Resampling
from dvol_utils.study.params import StudyParams

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
KINDS = ("weekday", "hour", "week", "level_regime", "jump_regime")
LEAST_WEEKS = 8  # test weeks from which the best and worst are told apart from the rest
_ORDERS = {
    "weekday": WEEKDAYS,
    "level_regime": ("low", "middle", "high"),
    "jump_regime": ("normal", "jump"),
}
_WEEK = pd.Timedelta(days=7)
_MONDAY = pd.Timestamp("1970-01-05", tz="UTC")


class Where(NamedTuple):
    """Where a model's gain comes from: `gain_parts`, `skill_without`, and as path `summed_gain`."""

    model: str
    parts: pd.DataFrame
    without: pd.DataFrame
    path: pd.DataFrame


def where_gained(test: pd.DataFrame, model: str, study: StudyParams) -> Where | None:
    """Where a model gains on persistence; None for persistence itself.

    Parameters
    ----------
    test : DataFrame
        Test rows of all models, whose blocks the resamples have.
    model : str
        The model that was chosen on validation rows.
    study : StudyParams
    """
    if model == "persistence":
        return None
    gains = squared_gains(test, model)
    resampling = Resampling.of(study.significance).fitted(test)
    parts = [gain_parts(gains, kind, resampling=resampling) for kind in KINDS]
    return Where(
        model,
        pd.concat(parts, ignore_index=True),
        skill_without(gains, resampling=resampling),
        summed_gain(test, model, resampling=resampling),
    )


def squared_gains(forecasts: pd.DataFrame, model: str) -> pd.DataFrame:
    """What a model gains on persistence in each hour, with the groups that the hour belongs to.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset, one row per origin and model (`average_seeds`).
    model : str

    Returns
    -------
    DataFrame
        One row per origin in order of time: `origin`, `target_time`, `gain` and `persistence_loss`
        (squared points), `moves` and `hits` (whether DVOL moved, and whether the model called that
        right; 0 or 1), and the groups `KINDS`, all known at the origin (UTC).

    Raises
    ------
    ValueError
        The model has no rows.
    """
    rows = forecasts[forecasts["model"] == model].sort_values("origin", ignore_index=True)
    if rows.empty:
        found = ", ".join(pd.unique(forecasts["model"]))
        raise ValueError(f"forecasts: found no rows of model {model!r}; it holds {found}")
    sums = contributions(rows)
    calendar = add_calendar(rows)
    return pd.DataFrame(
        {
            "origin": rows["origin"],
            "target_time": rows["target_time"],
            "gain": sums["persistence_squared"] - sums["error_squared"],
            "persistence_loss": sums["persistence_squared"],
            "moves": sums["moves"],
            "hits": sums["hits"],
            "weekday": calendar["weekday"].map(lambda place: WEEKDAYS[place]),
            "hour": calendar["hour"],
            "week": _MONDAY + (rows["origin"] - _MONDAY) // _WEEK * _WEEK,
            "level_regime": rows["level_regime"],
            "jump_regime": rows["jump_regime"],
        }
    )


def gain_parts(gains: pd.DataFrame, kind: str, *, resampling: Resampling) -> pd.DataFrame:
    """The part of the skill that each group of hours adds.

    Parameters
    ----------
    gains : DataFrame
        `squared_gains`.
    kind : str
        One of `KINDS`.
    resampling : Resampling
        With a length of blocks that is a number (`Resampling.fitted`).

    Returns
    -------
    DataFrame
        One row per group in its usual order: `kind`, `group`, `n` and `hours_share` (of all hours),
        `part` with `low` and `high` (share of persistence's squared error on all hours; parts sum
        to the skill), `gain_share` (of the whole gain; missing where there is none), `skill`
        (within the group) and `direction` (share of its moves called right).
    """
    groups = _groups(gains, kind)
    inside = np.column_stack([(gains[kind] == group).to_numpy(float) for group in groups])
    gain, loss = (gains[name].to_numpy()[:, None] for name in ("gain", "persistence_loss"))
    part, low, high = _ratios(gain * inside, loss, resampling)
    counts, total = inside.sum(axis=0), gains["gain"].sum()
    return pd.DataFrame(
        {
            "kind": kind,
            "group": [str(group) for group in groups],
            "n": counts.astype(int),
            "hours_share": counts / len(gains),
            "part": part,
            "low": low,
            "high": high,
            "gain_share": (gain * inside).sum(axis=0) / total if total > 0 else np.nan,
            "skill": _divided((gain * inside).sum(axis=0), (loss * inside).sum(axis=0)),
            "direction": _direction(gains, inside),
        }
    )


def skill_without(gains: pd.DataFrame, *, resampling: Resampling) -> pd.DataFrame:
    """Skill and direction on all hours, and without those that did most for and against the model.

    The days and weeks left out are picked after the fact, so this says how much rests on them and
    not what to expect.

    Parameters
    ----------
    gains, resampling
        As in `gain_parts`.

    Returns
    -------
    DataFrame
        One row each for `all`, `best_weekday` and, from `LEAST_WEEKS` weeks on, `best_two_weeks`
        and `best_and_worst_two_weeks`: `without`, `left_out` (names), `n` (hours left), `skill`
        with `low` and `high`, `direction`.
    """
    left_out = {"all": ("", [])}
    by_day = gains.groupby("weekday")["gain"].sum()
    if len(by_day) == len(WEEKDAYS):
        left_out["best_weekday"] = ("weekday", [by_day.idxmax()])
    by_week = gains.groupby("week")["gain"].sum().sort_values(kind="stable")
    if len(by_week) >= LEAST_WEEKS:
        best, worst = list(by_week.index[-1:-3:-1]), list(by_week.index[:2])
        left_out["best_two_weeks"] = ("week", best)
        left_out["best_and_worst_two_weeks"] = ("week", best + worst)
    kept = np.column_stack(
        [
            np.ones(len(gains)) if not kind else 1.0 - gains[kind].isin(names)
            for kind, names in left_out.values()
        ]
    )
    gain, loss = (gains[name].to_numpy()[:, None] for name in ("gain", "persistence_loss"))
    skill, low, high = _ratios(gain * kept, loss * kept, resampling)
    return pd.DataFrame(
        {
            "without": list(left_out),
            "left_out": [_named(kind, names) for kind, names in left_out.values()],
            "n": kept.sum(axis=0).astype(int),
            "skill": skill,
            "low": low,
            "high": high,
            "direction": _direction(gains, kept),
        }
    )


def _ratios(
    top: np.ndarray, bottom: np.ndarray, resampling: Resampling
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratios of sums of columns (T, series or 1): estimates, and the ends of their intervals."""
    sums = (top.sum(axis=0), bottom.sum(axis=0))
    estimates = _divided(*sums)
    drawn = _divided(*(resampling.sums(values) for values in (top, bottom)))
    influence = len(top) * _divided(top - estimates * bottom, sums[1])
    low, high = resampling.interval(estimates, drawn, np.nan_to_num(influence))
    return estimates, low, high


def _direction(gains: pd.DataFrame, inside: np.ndarray) -> np.ndarray:
    hits, moves = (gains[name].to_numpy() @ inside for name in ("hits", "moves"))
    return _divided(hits, moves)


def _divided(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    top, bottom = np.broadcast_arrays(top, bottom)
    missing = np.full(top.shape, np.nan)
    return np.divide(top, bottom, out=missing, where=bottom != 0)


def _groups(gains: pd.DataFrame, kind: str) -> list[object]:
    there = set(gains[kind])
    order = _ORDERS.get(kind, sorted(there))
    return [group for group in order if group in there]


def _named(kind: str, names: list[object]) -> str:
    if kind == "week":
        return ", ".join(f"{week:%Y-%m-%d}" for week in names)
    return ", ".join(map(str, names))
