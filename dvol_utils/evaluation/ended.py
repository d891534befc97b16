"""Models whose inputs ended before the data did, judged on the rows that they have."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dvol_utils.evaluation.forecast_table import average_seeds, ended_models
from dvol_utils.evaluation.scores import score


def ended_scores(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each model that ended, beside persistence on the same rows.

    Parameters
    ----------
    forecasts : DataFrame
        Forecast table of one asset: those rows that are judged, and all models, since a model has
        ended where others go on.

    Returns
    -------
    DataFrame
        model, last_origin, n (rows), rmse and rmse_persistence (index points), skill, direction; a
        row a model that ended, none where none did.
    """
    last = ended_models(forecasts)
    rows = average_seeds(forecasts[forecasts["model"].isin(last)])
    columns = ["model", "last_origin", "n", "rmse", "rmse_persistence", "skill", "direction"]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    squares = (rows["y_true"] - rows["y_origin"]) ** 2
    persistence = np.sqrt(squares.groupby(rows["model"]).mean())
    scores = score(rows)
    return scores.assign(
        last_origin=scores["model"].map(last), rmse_persistence=scores["model"].map(persistence)
    )[columns]
