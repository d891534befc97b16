"""Skill and significance at each horizon, and at which of them models beat persistence."""

from __future__ import annotations

from typing import Any

import pandas as pd
from statsmodels.stats.multitest import multipletests

from dvol_utils.evaluation import evaluation_rows, score
from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.forecasting.horizons import horizon_study
from dvol_utils.results.chosen_model import choose
from dvol_utils.results.judging import LEVEL, test_text
from dvol_utils.significance import Resampling, bootstrap_interval, equal_loss
from dvol_utils.study.model_names import label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.columns import pivoted, readable, with_interval
from dvol_utils.wording.numbers import hours_text, interval_text, p_text, percent
from dvol_utils.wording.text import listed

_COLUMNS = [
    *("horizon_hours", "model", "chosen", "skill", "low", "high", "direction"),
    *("rmse_persistence", "rmse", "p_value", "p_bartlett", "n", "apart"),
]


def horizon_table(forecasts: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Skill and significance of each model at each horizon, on its test rows.

    Parameters
    ----------
    forecasts : DataFrame
        `horizon_forecasts`.
    study : StudyParams
        Its `significance` says how intervals are drawn.

    Returns
    -------
    DataFrame
        One row per horizon and model other than persistence: `horizon_hours, model, chosen`
        (whether it has the lowest RMSE on that horizon's validation rows), `skill, low, high`,
        `direction` (shares), `rmse_persistence, rmse` (index points), Diebold-Mariano p-values
        against persistence (`p_value, p_bartlett`: `equal_loss`), the first after Holm's correction
        over the horizons' chosen models (`p_holm`; missing for the others), `n` (rows) and `apart`
        (how many targets that share no hour as many rows hold).

    Raises
    ------
    ValueError
        As `evaluation_rows` and `bootstrap_interval`, for any of the horizons.
    """
    tables = [
        _one_horizon(rows, horizon_study(study, int(hours)))
        for hours, rows in forecasts.groupby("horizon_hours", sort=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    # One test a horizon: those of the other models choose nothing.
    chosen = table["chosen"].to_numpy(bool)
    table["p_holm"] = float("nan")
    if chosen.any():
        table.loc[chosen, "p_holm"] = multipletests(table.loc[chosen, "p_value"], method="holm")[1]
    last = ["n", "apart"]
    return table[[*(name for name in table if name not in last), *last]]


def shown_skills(table: pd.DataFrame) -> pd.DataFrame:
    """Every row of `horizon_table` as readers see it: scores, and the test against persistence."""
    scores = ["horizon_hours", "model", "skill", "low", "high", "direction", "rmse"]
    return with_interval(table[[*scores, "rmse_persistence", "p_value", "p_bartlett"]], "skill")


def skill_grid(table: pd.DataFrame) -> pd.DataFrame:
    """Skill and p of `horizon_table` with models down and horizons across."""
    shown = shown_skills(table.assign(horizon_hours=table["horizon_hours"].map(hours_text)))
    return pivoted(shown, "horizon_hours", ["skill", "p_value"])


def shown_tests(table: pd.DataFrame) -> pd.DataFrame:
    """The chosen models of `horizon_table` with their tests, as readers see them."""
    columns = ["horizon_hours", "model", "p_value", "p_bartlett", "p_holm", "n", "apart"]
    return readable(table.loc[table["chosen"].astype(bool), columns])


def beyond_persistence(table: pd.DataFrame) -> list[int]:
    """Horizons at which the chosen model beats persistence, after Holm's correction."""
    beyond = table[table["chosen"] & (table["skill"] > 0) & (table["p_holm"] < LEVEL)]
    return beyond["horizon_hours"].tolist()


def chosen_skill(table: pd.DataFrame) -> dict[str, float]:
    """Skill of the model that each horizon's validation rows choose, by hours."""
    chosen = table[table["chosen"]]
    return dict(zip(chosen["horizon_hours"].astype(str), chosen["skill"], strict=True))


def horizons_text(hours: list[int], none: str = "none") -> str:
    """Horizons in words: `6, 24 and 72 hours`."""
    if not hours:
        return none
    return f"{listed(map(str, hours))} {'hour' if hours == [1] else 'hours'}"


def horizon_answer(table: pd.DataFrame, *, coverage: float, simulated: bool) -> list[str]:
    """At which horizons the model chosen on validation rows is beyond persistence, in sentences.

    Parameters
    ----------
    table : DataFrame
        `horizon_table`.
    coverage : float
        Coverage of its intervals.
    simulated : bool
        Whether the data come from the simulated market.
    """
    if table.empty:
        return ["Persistence is the only model, so there is nothing to compare."]
    chosen = table[table["chosen"]]
    where = "In the simulated market, the" if simulated else "The"
    correction = f"after Holm's correction over {len(chosen)} horizons"
    beyond = beyond_persistence(table)
    sentences = [
        f"{where} model chosen on a horizon's validation rows is better than persistence beyond "
        f"chance ({correction}) at: **{horizons_text(beyond, 'no horizon')}**."
    ]
    for _, row in chosen.iterrows():
        interval = interval_text(row, coverage, ".1f", 100, " %")
        sentences.append(
            f"{horizons_text([row['horizon_hours']])}: {label(row['model'])}, skill "
            f"{percent(row['skill'])} ({interval}), {test_text(row)}, after Holm "
            f"{p_text(row['p_holm'])}."
        )
    return sentences


def _one_horizon(forecasts: pd.DataFrame, study: StudyParams) -> pd.DataFrame:
    """Rows of `horizon_table` of one horizon, without the corrected p-values."""
    validation, test = evaluation_rows(forecasts, study.data.assets[0])
    hours, best = study.target.horizon_hours, choose(score(validation))
    scores = score(test).set_index("model")
    resampling = Resampling.of(study.significance)
    skill = bootstrap_interval(test, "skill", resampling=resampling).set_index("model")
    losses = squared_errors(test)
    rows: list[dict[str, Any]] = []
    for model in (name for name in study.models if name != "persistence"):
        test = equal_loss(losses[model], losses["persistence"], horizon=hours)
        rows.append(
            {
                "horizon_hours": hours,
                "model": model,
                "chosen": model == best,
                "skill": scores.loc[model, "skill"],
                **skill.loc[model, ["low", "high"]],
                "direction": scores.loc[model, "direction"],
                "rmse_persistence": scores.loc["persistence", "rmse"],
                "rmse": scores.loc[model, "rmse"],
                "p_value": test.p_value,
                "p_bartlett": test.p_bartlett,
                "n": len(losses),
                # How many days, or other horizons, stand behind that many overlapping rows.
                "apart": len(losses) // hours,
            }
        )
    return pd.DataFrame(rows, columns=_COLUMNS)
