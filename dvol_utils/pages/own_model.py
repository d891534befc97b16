"""What the page of a model of your own says."""

from __future__ import annotations

import pandas as pd

from dvol_utils.results.judging import LEVEL
from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import interval_text, p_text, percent
from dvol_utils.wording.text import listed


def own_finding(compared: pd.DataFrame, *, hours: int, coverage: float) -> str:
    """How a model stands against persistence and against each of the study's other models.

    Parameters
    ----------
    compared : DataFrame
        `bootstrap_difference` of the skill, the model first, with the `p_value` of `equal_loss`;
        one row each for persistence and the other models.
    hours : int
        Test hours that all of them stand on.
    coverage : float
        Of the intervals.
    """
    model = compared["model_a"].iloc[0]
    base = compared[compared["model_b"] == "persistence"].iloc[0]
    interval = interval_text(base, coverage, ".1f", 100, " %")
    lead = (
        f"On {hours:,} test hours {model} has a skill of {percent(base['estimate'])} "
        f"({interval}; {p_text(base['p_value'])})."
    )
    others = compared[compared["model_b"] != "persistence"]
    sure = others[others["p_value"] < LEVEL]
    better, worse = sure[sure["estimate"] > 0], sure[sure["estimate"] < 0]
    said = [
        f"{how} than {listed(map(label, rows['model_b']))}"
        for how, rows in (("better", better), ("worse", worse))
        if len(rows)
    ]
    if said:
        return f"{lead} It is {' and '.join(said)} beyond chance."
    return f"{lead} It differs from no other model beyond chance."
