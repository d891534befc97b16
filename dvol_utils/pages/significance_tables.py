"""The tables of the page on significance: models down, regimes, rivals or losses across."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from dvol_utils.significance.regimes import holm
from dvol_utils.wording.columns import interval_grid, pivoted, readable, with_interval

_UNSHOWN = ("r2", "mape")  # metrics that say little beside the others


def errors_apart(intervals: pd.DataFrame) -> pd.DataFrame:
    """`bootstrap_interval` less persistence, where its own figure is neither 0 nor missing."""
    rows = intervals[intervals["metric"].isin(["rmse", "mae"])]
    return interval_grid(rows[rows["model"] != "persistence"], prefix="difference")


def by_regime(regimes: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """RMSE and skill in each jump regime, and the difference of the two, side by side.

    Parameters
    ----------
    regimes, gaps : DataFrame
        `bootstrap_interval` by `jump_regime`, and `regime_difference`.
    """
    both = pd.concat([regimes, gaps.assign(jump_regime="jump less normal")])
    grid = interval_grid(both[both["metric"].isin(["rmse", "skill"])])
    return pivoted(grid, "jump_regime", ["rmse", "skill"])


def regimes_in_full(regimes: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """The same with all metrics that the page shows, one row per model and regime."""
    both = pd.concat([regimes, gaps.assign(jump_regime="jump less normal")])
    return interval_grid(both[~both["metric"].isin(_UNSHOWN)])


def pairs_of_skill(differences: pd.DataFrame) -> pd.DataFrame:
    """Skill of the model of a row less that of the model of a column: `bootstrap_difference`."""
    grid = interval_grid(differences[differences["metric"] == "skill"])
    return pivoted(grid, "model_b", ["skill"], index=["model_a"])


def by_loss(losses: pd.DataFrame) -> pd.DataFrame:
    """`three_losses`, the losses side by side."""
    return pivoted(with_interval(losses, "loss_gain"), "loss", ["loss_gain", "p_holm"])


def against(pairs: pd.DataFrame, rivals: Collection[str]) -> pd.DataFrame:
    """`diebold_mariano_pairs` with the rivals across; a negative difference speaks for the row."""
    # Each pair stands once in the table; turned round it stands in the other's row too.
    names = {"model_a": "model_b", "model_b": "model_a"}
    turned = pairs.rename(columns=names).assign(mean_difference=-pairs["mean_difference"])
    rows = pd.concat([pairs, turned]).sort_index(kind="stable")
    rows = rows[rows["model_b"].isin(rivals) & (rows["model_a"] != "persistence")]
    values = ["mean_difference", "p_value", "p_holm"]
    return pivoted(readable(rows), "model_b", values, index=["model_a"])


def after_holm(conditional: pd.DataFrame) -> pd.DataFrame:
    """`giacomini_white_pairs` with `p_holm`, over all of its pairs."""
    return conditional.assign(p_holm=holm(conditional["p_value"]))


def conditional_grid(conditional: pd.DataFrame) -> pd.DataFrame:
    """Holm's p of each pair of `after_holm`, the first model down and the second across."""
    return pivoted(readable(conditional), "model_b", ["p_holm"], index=["model_a"])
