"""Two studies on the test rows that both have: whether rows match, and how far models differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from dvol_utils.evaluation import score
from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.results.judging import LEVEL, test_text
from dvol_utils.significance.accuracy import equal_loss
from dvol_utils.significance.bootstrap import bootstrap_difference
from dvol_utils.significance.regimes import LEAST_HORIZONS
from dvol_utils.significance.resampling import Resampling
from dvol_utils.study.judging_section import SignificanceParams
from dvol_utils.study.model_names import label
from dvol_utils.study.params import StudyParams
from dvol_utils.wording.numbers import day, hours_text, interval_text, number, percent

DIFFERENCE_COLUMNS = (
    *("model_a", "model_b", "rmse_a", "rmse_b", "skill_a", "skill_b"),
    *("difference", "low", "high", "p_value", "p_bartlett", "p_holm"),
)
_DAY = 24  # the shortest block that `block_length` takes by itself
_ROUNDING = 1e-9  # index points: the same outcome by another order of additions


def settings_mismatch(a: StudyParams, b: StudyParams) -> str | None:
    """Why the rows of two studies cannot match, by their parameters alone; None where they may."""
    if a.data.assets[0] != b.data.assets[0]:
        return f"other asset: {a.data.assets[0]} and {b.data.assets[0]}"
    hours = [hours_text(study.target.horizon_hours) for study in (a, b)]
    if hours[0] != hours[1]:
        return f"other horizon: {hours[0]} and {hours[1]}"
    if a.late_hours != b.late_hours:
        late = a if a.late_hours is not None else b
        return (
            f"inputs of {late.name} reach up to {hours_text(late.late_hours)} before the target, "
            "beyond the origin, those of the other study do not"
        )
    return None


def rows_mismatch(a: pd.DataFrame, b: pd.DataFrame, least: int) -> str | None:
    """Why the test rows of two studies do not match; None where they do.

    Parameters
    ----------
    a, b : DataFrame
        Test rows of one asset and horizon, one row per origin and model.
    least : int
        Origins in common that are enough.
    """
    ours, theirs = (_facts(rows) for rows in (a, b))
    shared = ours.index.intersection(theirs.index)
    if shared.empty:
        ranges = [f"{day(rows.index[0])} to {day(rows.index[-1])}" for rows in (ours, theirs)]
        return f"no shared origins: {ranges[0]} and {ranges[1]}"
    gap = (ours.loc[shared] - theirs.loc[shared]).abs().to_numpy() > _ROUNDING
    differ = int(gap.any(axis=1).sum())
    if differ:
        return f"outcomes differ in {differ:,} of {len(shared):,} shared rows"
    if len(shared) < least:
        return f"only {len(shared):,} shared rows, should be at least {least:,}"
    return None


def least_rows(settings: SignificanceParams, overlap_hours: int) -> int:
    """Rows that a comparison needs: ten times the hours by which errors overlap, and one block."""
    block = _DAY if settings.block_hours == "auto" else settings.block_hours
    return max(LEAST_HORIZONS * overlap_hours, block)


def prefixed(study: str, model: str) -> str:
    """A model's name in a table of several studies; a study's name holds no colon."""
    return f"{study}:{model}"


def shared_rows(tests: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Forecasts of several studies on the origins that all of them have, in one table.

    Parameters
    ----------
    tests : mapping of str to DataFrame
        Test rows by study, as `rows_mismatch` lets pass.

    Returns
    -------
    DataFrame
        `origin, horizon_hours, model, y_true, y_pred, y_origin`; models are `study:model`. Outcome
        and level at the origin are those of the first study, so that rounding makes no difference.
    """
    facts = [_facts(rows) for rows in tests.values()]
    origins = facts[0].index
    for other in facts[1:]:
        origins = origins.intersection(other.index)
    parts = []
    for study, rows in tests.items():
        part = rows.loc[
            rows["origin"].isin(origins), ["origin", "horizon_hours", "model", "y_pred"]
        ]
        parts.append(part.assign(model=[prefixed(study, model) for model in part["model"]]))
    return pd.concat(parts, ignore_index=True).join(facts[0], on="origin")


def study_differences(
    rows: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    *,
    overlap_hours: int,
    settings: SignificanceParams,
) -> pd.DataFrame:
    """How far models of two studies differ on their shared rows, and whether beyond chance.

    Parameters
    ----------
    rows : DataFrame
        `shared_rows`.
    pairs : sequence of (str, str)
        Models a and b, as `prefixed` names them; the difference is a less b.
    overlap_hours : int
        Hours by which errors of neighbouring rows overlap, which the test allows for.
    settings : SignificanceParams
        Blocks, resamples, seed and coverage of the intervals.

    Returns
    -------
    DataFrame
        One row per pair, columns `DIFFERENCE_COLUMNS`: RMSE (index points) and skill (share) of
        both, the difference of their skills with its interval on the same resamples, the p-values
        of the Diebold-Mariano test of their squared errors (`equal_loss`), and the first after
        Holm's correction for the number of pairs.

    Raises
    ------
    ValueError
        A model of `pairs` has no forecasts, or fewer rows than one block.
    """
    if not pairs:
        return pd.DataFrame(columns=list(DIFFERENCE_COLUMNS))
    rows = rows[rows["model"].isin({model for pair in pairs for model in pair})]
    table = bootstrap_difference(
        rows,
        "skill",
        pairs,
        resampling=Resampling.of(settings),
    ).rename(columns={"estimate": "difference"})
    scores, losses = score(rows).set_index("model"), squared_errors(rows)
    for side in ("a", "b"):
        for metric in ("rmse", "skill"):
            table[f"{metric}_{side}"] = scores.loc[table[f"model_{side}"], metric].to_numpy(float)
    # Errors overlap by more than the horizon where inputs are older than the origin.
    tests = [equal_loss(losses[a], losses[b], horizon=overlap_hours)[1:] for a, b in pairs]
    table[["p_value", "p_bartlett"]] = tests
    table["p_holm"] = multipletests(table["p_value"], method="holm")[1]
    return table[list(DIFFERENCE_COLUMNS)]


def difference_sentence(row: pd.Series, hours: int, coverage: float) -> str:
    """What a row of `study_differences` says of the models that two studies chose.

    Parameters
    ----------
    row : Series
        The row.
    hours : int
        Shared test rows.
    coverage : float
        Coverage of the interval, in (0, 1).
    """
    (study_a, _, a), (study_b, _, b) = (row[side].partition(":") for side in ("model_a", "model_b"))
    if a == b:
        models = f"the model that both chose on validation rows, {label(a)}, has"
    else:
        models = (
            f"the models chosen on validation rows, {label(a)} in {study_a} and {label(b)} in "
            f"{study_b}, have"
        )
    return (
        f"On {hours:,} shared test rows {models} a skill of {percent(row['skill_a'])} in {study_a} "
        f"and {percent(row['skill_b'])} in {study_b}: a difference of "
        f"{number(100 * row['difference'], '+.1f')} percentage points "
        f"({interval_text(row, coverage, '.1f', 100)}; {test_text(row)}), "
        f"{_judged(row, study_a, study_b)}."
    )


def _judged(row: pd.Series, study_a: str, study_b: str) -> str:
    apart = row["low"] > 0 or row["high"] < 0
    if apart and row["p_value"] < LEVEL:
        return f"better in {study_a if row['difference'] > 0 else study_b} beyond chance"
    if apart or row["p_value"] < LEVEL:
        return "on which interval and test do not agree"
    return "not beyond chance"


def _facts(rows: pd.DataFrame) -> pd.DataFrame:
    """Outcome and level at the origin of each row, whatever the model, in order of time."""
    facts = rows.drop_duplicates("origin").set_index("origin")[["y_true", "y_origin"]]
    return facts.astype(np.float64).sort_index()
