"""Several models' forecasts in one, with weights that past forecasts have earned.

References
----------
Diebold, F. X. and Pauly, P. (1990). The use of prior information in forecast combination.
International Journal of Forecasting 6(4). doi:10.1016/0169-2070(90)90028-A
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from dvol_utils.evaluation.forecast_table import average_seeds
from dvol_utils.study.model_names import ENSEMBLE
from dvol_utils.study.threads import one_thread


def combine(forecasts: pd.DataFrame, members: Sequence[str], shrinkage: float) -> pd.DataFrame:
    """The ensemble's rows of a forecast table, from those of its members.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table of one asset. An outcome may be missing where it is not known yet.
    members : sequence of str
        Models to combine, those that are in the table; seeds of one are averaged.
    shrinkage : float
        As `combination_weights` takes it.

    Returns
    -------
    DataFrame
        One row per origin, model `ensemble`, seed 0.

    Raises
    ------
    ValueError
        None of the members is in the table.
    """
    rows, changes = _changes(forecasts, members)
    weights = combination_weights(forecasts, members, shrinkage)
    keyed = weights.set_index(["split", "fold", "model"])["weight"].unstack()  # noqa: PD010 unique
    each = keyed.loc[pd.MultiIndex.from_frame(rows[["split", "fold"]]), changes.columns]
    change = (changes.to_numpy() * each.to_numpy()).sum(axis=1)
    return rows.assign(model=ENSEMBLE, seed=0, y_pred=rows["y_origin"] + change)


@one_thread()
def combination_weights(
    forecasts: pd.DataFrame, members: Sequence[str], shrinkage: float
) -> pd.DataFrame:
    """Weight of each member in each fold, from forecasts whose outcome was known before it.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table of one asset.
    members : sequence of str
    shrinkage : float
        How strongly weights are drawn to equal ones: that many times the members' mean sum of
        squares. 0 leaves least squares alone; at 1 the past counts about as much as equality.

    Returns
    -------
    DataFrame
        split, fold, model, weight (0 or more; they need not sum to 1), rows (that they were
        learnt from; without any, weights are equal).

    Notes
    -----
    The weights w minimise |y - F w|² + k |w - 1/m|² with w >= 0, where y are changes from origin to
    target in points, F the m members' forecasts of them and k = shrinkage · tr(F'F) / m.
    """
    rows, changes = _changes(forecasts, members)
    outcome = (rows["y_true"] - rows["y_origin"]).to_numpy(float)
    table = []
    for split, fold, past in _periods(rows):
        usable = past & np.isfinite(outcome)
        weights = _shrunk_weights(changes.to_numpy()[usable], outcome[usable], shrinkage)
        table += [
            {"split": split, "fold": fold, "model": model, "weight": weight, "rows": usable.sum()}
            for model, weight in zip(changes.columns, weights, strict=True)
        ]
    return pd.DataFrame(table)


def _changes(forecasts: pd.DataFrame, members: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per origin, in order of time, and the changes that members forecast for it."""
    of_members = forecasts[forecasts["model"].isin(members)]
    if of_members.empty:
        found = ", ".join(pd.unique(forecasts["model"]))
        raise ValueError(
            f"forecasts: found models {found}; an ensemble needs one of {', '.join(members)}"
        )
    # In order of time: what is past is told by the first origin of a fold.
    of_members = average_seeds(of_members).sort_values("origin", kind="stable")
    # With one member's inputs ended there is no ensemble of them all.
    models = of_members.groupby("origin")["model"].transform("nunique")
    of_members = of_members[models == models.max()]
    rows = of_members.drop_duplicates("origin").reset_index(drop=True)
    wide = of_members.pivot(index="origin", columns="model", values="y_pred")  # noqa: PD010 no aggregation
    present = [model for model in members if model in wide]
    return rows, wide[present].sub(rows["y_origin"].to_numpy(), axis=0).reset_index(drop=True)


def _periods(rows: pd.DataFrame) -> Iterator[tuple[str, int, np.ndarray]]:
    """Split, fold and the rows whose target was known when the first forecast of it was made."""
    for (split, fold), period in rows.groupby(["split", "fold"], sort=False):
        # Up to the hour itself: an outcome is known at its bar's close
        # (tests/test_no_lookahead.py).
        yield split, fold, (rows["target_time"] <= period["origin"].iloc[0]).to_numpy()


def _shrunk_weights(changes: np.ndarray, outcome: np.ndarray, shrinkage: float) -> np.ndarray:
    """Non-negative weights (members,), drawn to equal ones."""
    members = changes.shape[1]
    equal = np.full(members, 1 / members)
    # Relative to the members' own squares, so that shrinkage has no unit.
    strength = shrinkage * np.sum(changes**2) / members
    if not len(changes) or np.sum(changes**2) == 0:
        return equal
    root = np.sqrt(strength)
    # Rows sqrt(k) I with outcomes sqrt(k) / m make the penalty part of the least squares.
    weights, _ = nnls(
        np.vstack([changes, root * np.eye(members)]), np.append(outcome, root * equal)
    )
    return weights
