"""Three losses, fixed beforehand: is a model better than persistence by each of them?

Squares weigh a few jump days heavily, absolute errors less, and direction not at all. A claim on
one of them says nothing on the others, and with three tests one may pass by luck: Holm's correction
is over the three.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.evaluation.twins import settled
from dvol_utils.significance.accuracy import equal_loss
from dvol_utils.significance.regimes import holm
from dvol_utils.significance.regressions import direction_test
from dvol_utils.significance.resampling import Resampling
from dvol_utils.wording.columns import LOSS_NAMES

LOSSES = tuple(LOSS_NAMES)
LOSS_COLUMNS = ("model", "loss", "loss_gain", "low", "high", "statistic", "p_value", "p_bartlett")


def three_losses(forecasts: pd.DataFrame, horizon: int, *, resampling: Resampling) -> pd.DataFrame:
    """Gain of each model over persistence by squared error, absolute error and direction.

    Parameters
    ----------
    forecasts : DataFrame
        Forecasts of one asset at hourly origins, one row per origin and model (`average_seeds`),
        `persistence` among the models.
    horizon : int
        Hours by which errors overlap.
    resampling : Resampling

    Returns
    -------
    DataFrame
        One row per model other than persistence and loss: `model, loss` (one of `LOSSES`),
        `loss_gain, low, high` (shares), `statistic` (positive speaks for the model), `p_value` by
        the periodogram, `p_bartlett`, and `p_holm` (`p_value` after Holm's correction over the
        model's losses). Direction is missing for a model that calls one direction only.

    Raises
    ------
    ValueError
        As `bootstrap_interval`.

    Notes
    -----
    `loss_gain` is `1 - mean loss / mean loss of persistence` for the two errors. For direction,
    where persistence says nothing, it is the share of moves called right less the share that chance
    gives: with r the share of rises and c that of upward calls, `r c + (1 - r)(1 - c)`. The tests
    are those of Diebold and Mariano (errors) and `direction_test`.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> draws = Resampling(block_hours=48, reps=200, seed=0)
    >>> found = three_losses(example_forecasts(), 24, resampling=draws)
    >>> found[found["model"] == "good"][["loss", "loss_gain", "p_holm"]].round(2)
                 loss  loss_gain  p_holm
    0   squared_error       0.23    0.09
    1  absolute_error       0.11    0.09
    2       direction       0.15    0.06
    """
    squared_errors(forecasts)  # refuses tables that cannot be compared hour by hour
    rows = settled(forecasts).sort_values("origin")
    directions = direction_test(rows, horizon).set_index("model")
    origin = rows.drop_duplicates("origin")
    naive = (origin["y_true"] - origin["y_origin"]).to_numpy(dtype=float)
    named, tests, parts = [], [], []
    for model in (name for name in pd.unique(forecasts["model"]) if name != "persistence"):
        of_model = rows[rows["model"] == model]
        error = (of_model["y_true"] - of_model["y_pred"]).to_numpy(dtype=float)
        for power in (2, 1):
            losses = np.abs(np.column_stack([error, naive])) ** power
            test = equal_loss(*losses.T, horizon=horizon)
            # The test is negative for its first argument; here positive speaks for the model.
            tests.append((-test.statistic, test.p_value, test.p_bartlett))
            parts.append(losses)
        tests.append(tuple(directions.loc[model, ["statistic", "p_value", "p_bartlett"]]))
        parts.append(_calls((of_model["y_pred"] > of_model["y_origin"]).to_numpy(), naive))
        named += [(model, loss) for loss in LOSSES]
    # All models and losses at once, so that they share their resamples.
    gains = _intervals(parts, resampling.fitted(rows))
    table = pd.DataFrame(
        [(*name, *gain, *test) for name, gain, test in zip(named, gains, tests, strict=True)],
        columns=list(LOSS_COLUMNS),
    )
    # A model that calls one direction has a gain of zero by construction, not by its calls.
    table.loc[table["p_value"].isna(), ["loss_gain", "low", "high"]] = np.nan
    table["p_holm"] = table.groupby("model", sort=False)["p_value"].transform(holm)
    return table


def gain_moments(forecasts: pd.DataFrame, model: str) -> pd.DataFrame:
    """What each hour adds to a model's gain over persistence, by each loss.

    Parameters
    ----------
    forecasts : DataFrame
        As in `three_losses`.
    model : str

    Returns
    -------
    DataFrame
        One row per origin, in order of time, one column per loss of `LOSSES`; the mean of a column
        is the gain by that loss.

    Examples
    --------
    >>> from dvol_utils.significance.example import example_forecasts
    >>> gain_moments(example_forecasts(), "good").mean().round(2).tolist()
    [0.23, 0.11, 0.15]
    """
    rows = settled(forecasts).sort_values("origin")
    of_model = rows[rows["model"] == model]
    gains = {loss: hourly_gains(of_model, loss) for loss in LOSSES}
    origins = pd.DatetimeIndex(of_model["origin"])
    return pd.DataFrame(
        {loss: saved / naive.mean() for loss, (saved, naive) in gains.items()}, index=origins
    )


def hourly_gains(rows: pd.DataFrame, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """One model's gain hour by hour: mean of what is saved by mean of what persistence loses.

    Parameters
    ----------
    rows : DataFrame
        One row per origin.
    loss : str
        One of `LOSSES`.

    Returns
    -------
    saved, naive : ndarray of shape (T,)
        What the hour adds to both. For the errors these are persistence's loss less the model's,
        and persistence's loss. For direction they are twice the product of rise and upward call,
        each less its share, whose sum is the number of right calls less that by chance, and 1; in
        hours that stood still both are 0.
    """
    move, called = (
        (rows[name] - rows["y_origin"]).to_numpy(float) for name in ("y_true", "y_pred")
    )
    if loss == "direction":
        moved = move != 0
        # Never 0: without a move all products are 0 and should stay so.
        count = max(int(moved.sum()), 1)
        rose, up = (np.where(moved, values > 0, 0.0) for values in (move, called))
        rose, up = (np.where(moved, calls - calls.sum() / count, 0.0) for calls in (rose, up))
        return 2 * rose * up, moved.astype(float)
    power = {"squared_error": 2, "absolute_error": 1}[loss]
    naive = np.abs(move) ** power
    return naive - np.abs(move - called) ** power, naive


def _calls(called: np.ndarray, naive: np.ndarray) -> np.ndarray:
    """Of each hour that moved: itself, whether it rose, was called to rise, was called right."""
    rose = naive > 0
    return (
        np.column_stack([np.ones(len(naive)), rose, called, called == rose]) * (naive != 0)[:, None]
    )


def _gain(sums: np.ndarray) -> np.ndarray:
    """Gain from sums over hours: two of losses, or four of calls (`_calls`)."""
    if sums.shape[-1] == 2:
        loss, naive = np.moveaxis(sums, -1, 0)
        return 1 - loss / naive
    moved, rose, called, right = np.moveaxis(sums, -1, 0)
    by_chance = rose * called + (moved - rose) * (moved - called)
    return right / moved - by_chance / moved**2


def _intervals(parts: list[np.ndarray], resampling: Resampling) -> list[list[float]]:
    """Gain, low and high end of each series of parts, all on the same resamples."""
    if not parts:
        return []
    places = np.cumsum([each.shape[1] for each in parts])[:-1]
    drawn = np.split(resampling.sums(np.hstack(parts)), places, axis=1)
    estimates = np.array([float(_gain(each.sum(axis=0))) for each in parts])
    influence = [
        # As in bootstrap.py: half of an hour's weight to either side.
        len(each) * (_gain(each.sum(axis=0) + each / 2) - _gain(each.sum(axis=0) - each / 2))
        for each in parts
    ]
    draws = np.column_stack([_gain(sums) for sums in drawn])
    ends = resampling.interval(estimates, draws, np.column_stack(influence))
    return np.vstack([estimates, ends]).T.tolist()
