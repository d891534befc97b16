"""How to choose one of several models: by the last year, by all years, or not at all.

`python benchmarks/choices.py rule` runs it: see there.
"""

from __future__ import annotations

import pandas as pd

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.evaluation import average_seeds, score
from dvol_utils.forecasting.combination import combine
from dvol_utils.forecasting.years import year_forecasts
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.results.chosen_model import choose
from dvol_utils.study.files import ArtefactError
from dvol_utils.study.params import StudyParams
from dvol_utils.study.tables import read_table

YEAR = pd.DateOffset(years=1)
MEAN = "mean of all"
EQUAL = 1e6  # shrinkage of an ensemble that leaves its weights equal


def walked(study: StudyParams) -> pd.DataFrame:
    """Walked forecasts whose outcome was known before the test, seeds averaged, and their mean.

    Read from the study's run where notebook 12 has left them, or made here.
    """
    try:
        made = read_table(study, "years")
    except ArtefactError:
        if study.is_simulated:
            write_store(study.raw_dir, study.data)
        panel = build_panel(study.raw_dir, study.data)
        made, _ = year_forecasts(panel, jumps_by_rule(panel, study.jumps), study)
    return with_mean(made[made["target_time"] < study.split.test_start])


def with_mean(made: pd.DataFrame) -> pd.DataFrame:
    """Forecasts with seeds averaged, and those of the mean of all models that learn."""
    rows = average_seeds(made)
    mean = combine(rows, learning(rows), EQUAL).assign(model=MEAN)
    return pd.concat([rows, mean], ignore_index=True)


def learning(rows: pd.DataFrame) -> list[str]:
    """The models that a rule may choose."""
    return [name for name in pd.unique(rows["model"]) if name not in ("persistence", MEAN)]


def decisions(rows: pd.DataFrame, start: pd.Timestamp) -> pd.DataFrame:
    """What each rule takes at each quarter with a year of walked forecasts behind it.

    Returns
    -------
    DataFrame
        `now, end` (of the quarter), and one column per rule with the name of a model; `always NAME`
        beside the rules.
    """
    models, last = learning(rows), rows["origin"].max() + pd.Timedelta(hours=1)
    quarters = pd.date_range(start + YEAR, last, freq=pd.DateOffset(months=3))
    table = []
    for now, end in zip(quarters, [*quarters[1:], last], strict=True):
        known = rows[rows["target_time"] <= now]
        year = known[known["origin"] >= now - YEAR]
        found = {
            "by the year before": choose(score(year), models),
            "by all years walked": choose(score(known), models),
            MEAN: MEAN,
        }
        table.append({"now": now, "end": end, **found} | {f"always {one}": one for one in models})
    return pd.DataFrame(table)


def rewards(rows: pd.DataFrame, taken: pd.DataFrame) -> pd.DataFrame:
    """What each rule would have had in the quarter after each decision, and in the year after.

    Returns
    -------
    DataFrame
        One row per rule: squared and absolute error saved against persistence, and direction right,
        in percent: of all quarters together, and of the whole years that end before the rows do.
    """
    last = rows["origin"].max()
    whole = taken[taken["now"] + YEAR <= last + pd.Timedelta(hours=1)]
    table = []
    for rule in taken.columns.drop(["now", "end"]):
        quarter = [_after(rows, row[rule], row["now"], row["end"]) for _, row in taken.iterrows()]
        year = [
            _after(rows, row[rule], row["now"], row["now"] + YEAR) for _, row in whole.iterrows()
        ]
        table.append({"rule": rule, **_gains(quarter, "quarter"), **_gains(year, "year")})
    return pd.DataFrame(table)


def _after(rows: pd.DataFrame, model: str, now: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    own = rows[rows["model"] == model]
    return own[(own["origin"] >= now) & (own["origin"] < end)]


def _gains(parts: list[pd.DataFrame], what: str) -> dict[str, float]:
    if not parts:
        return {}
    own = pd.concat(parts)
    move, error = own["y_true"] - own["y_origin"], own["y_true"] - own["y_pred"]
    found = {
        "squared": 1 - (error**2).sum() / (move**2).sum(),
        "absolute": 1 - error.abs().sum() / move.abs().sum(),
        "direction": score(own, ())["direction"].iloc[0],
    }
    return {f"{what}: {name}": 100 * value for name, value in found.items()}
