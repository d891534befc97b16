"""Where a model's skill comes from, in sentences: by regime, hour and month."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from dvol_utils.data.checks.coverage import ended_series
from dvol_utils.forecasting.inputs import model_inputs
from dvol_utils.results.judging import LEVEL
from dvol_utils.samples.features import FEATURE_SOURCES
from dvol_utils.study.model_names import label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import day, hour, hours_text, p_text, percent


def regime_answer(
    metrics: pd.DataFrame, model: str, *, simulated: bool, late_hours: int | None = None
) -> list[str]:
    """Where a model's skill comes from, in sentences.

    Parameters
    ----------
    metrics : DataFrame
        `metrics_table` of the test rows.
    model : str
        The model that was chosen on validation rows.
    simulated : bool
        Whether the data come from the simulated market.
    late_hours : int, optional
        As in `answer`.
    """
    if model == "persistence":
        return ["Persistence is the only model, so there is no skill to look for."]
    rows = metrics[(metrics["model"] == model) & (metrics["metric"] == "skill")]
    skill = rows.set_index(["regime_type", "regime"])["value"]
    where = "In the simulated market, " if simulated else ""
    months = skill["month"]
    hours = skill["hour"].dropna()
    sentences = [
        f"{where}{label(model)}, the model chosen on validation rows, has a skill of "
        f"{percent(skill['all', 'all'])} on the test rows.",
        f"By regime of the origin its skill is {_listed(skill['jump_regime'])}; by level of DVOL "
        f"{_listed(skill['level_regime'])}.",
        f"It is {_listed(skill['half'])} in the two halves of the test, and above zero in "
        f"{(months > 0).sum()} of {len(months)} months.",
    ]
    if late_hours is not None:
        sentences[0] = (
            f"{sentences[0][:-1]}, with inputs up to {hours_text(late_hours)} before the target."
        )
    if not hours.empty:
        sentences.append(
            f"By hour of the origin it is highest at {hours.idxmax()}:00 UTC "
            f"({percent(hours.max())}) and lowest at {hours.idxmin()}:00 ({percent(hours.min())})."
        )
    return sentences


def ended_answer(ended: pd.DataFrame, panel: pd.DataFrame, study: StudyParams) -> list[str]:
    """Which models ended for want of which input, in sentences; none where all go on.

    Parameters
    ----------
    ended : DataFrame
        `ended_scores` of the test rows.
    panel : DataFrame
    study : StudyParams
    """
    of_asset = panel[panel["asset"] == study.data.assets[0]]
    last = ended_series(of_asset).set_index("column")["last"]
    sentences = []
    for row in ended.itertuples():
        columns = {name for names in model_inputs(study, row.model).values() for name in names}
        sources = dict.fromkeys(FEATURE_SOURCES.get(name, "dvol_close") for name in columns)
        lost = [f"`{name}` (last value {day(last[name])})" for name in sources if name in last]
        sentences.append(
            f"{label(row.model)} reads {' and '.join(sorted(lost))} and is forecast up to "
            f"{hour(row.last_origin)} UTC: on its {row.n:,} test rows its skill is "
            f"{percent(row.skill)}. It is not among the models that are compared."
        )
    return sentences


def _listed(skill: pd.Series) -> str:
    parts = [f"{percent(value)} ({name})" for name, value in skill.items() if np.isfinite(value)]
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def month_finding(months: pd.DataFrame, model: str) -> str:
    """In how many months a model is ahead of persistence, from `monthly_skill`.

    Notes
    -----
    The sign test asks how often as many months would come out ahead if each were a toss of a coin:
    one-sided, every month alike however many rows it holds.
    """
    rows = months[(months["model"] == model) & months["skill"].notna()]
    if rows.empty:
        return "Persistence is the only model, so no month speaks for another."
    ahead, beyond = int((rows["skill"] > 0).sum()), int((rows["low"] > 0).sum())
    tested = rows[rows["p_holm"] < LEVEL]
    better = int((tested["skill"] > 0).sum())
    # One-sided: the question is whether it is ahead more often.
    chance = binomtest(ahead, len(rows), alternative="greater").pvalue
    long = rows[rows["low"].notna()]
    ends = ""
    if len(long) > 1:
        best, worst = long.loc[long["skill"].idxmax()], long.loc[long["skill"].idxmin()]
        counted = "" if len(long) == len(rows) else ", of those long enough for an interval"
        ends = (
            f" Its best month is {best['month']:%Y-%m} (skill {percent(best['skill'])}), its worst "
            f"{worst['month']:%Y-%m} ({percent(worst['skill'])}){counted}."
        )
    return (
        f"{label(model)} is ahead of persistence in {ahead} of {len(rows)} months; were each month "
        f"a toss of a coin, as many or more would be ahead with {p_text(chance)}. Its interval "
        f"lies above zero in {beyond or 'none'} of them; by the Diebold-Mariano test, after Holm's "
        f"correction over the months, it is better at p < {LEVEL} in {better or 'none'}.{ends}"
    )
