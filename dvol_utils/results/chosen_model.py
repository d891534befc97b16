"""The one model that is chosen beforehand, on validation rows."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def choose(validation: pd.DataFrame, among: Sequence[str] | None = None) -> str | None:
    """The model with the lowest RMSE on validation rows, so that test rows choose nothing.

    Parameters
    ----------
    validation : DataFrame
        `score` of the validation rows, one row per model.
    among : sequence of str, optional
        Candidates; without it every model but persistence.

    Returns
    -------
    str or None
        The model, or None where no candidate was scored.
    """
    candidates = validation[validation["model"] != "persistence"]
    if among is not None:
        candidates = validation[validation["model"].isin(list(among))]
    return None if candidates.empty else candidates.loc[candidates["rmse"].idxmin(), "model"]
