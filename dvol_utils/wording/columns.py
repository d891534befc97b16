"""Tables as readers see them: models by name, units in the heads, p-values in words."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from dvol_utils.study.model_names import label
from dvol_utils.wording.numbers import MISSING, bounds_text, number, written, written_p

_HEADS = {
    "model_a": "first model",
    "model_b": "second model",
    "jump_regime": "jump regime",
    "level_regime": "level of DVOL",
    "n": "rows",
    "r2": "R²",
    "attained": "share of the attainable, %",
    "horizon_hours": "horizon, hours",
    "chosen": "chosen on validation rows",
    "rmse_persistence": "RMSE of persistence, points",
    "apart": "targets that share no hour",
    "rmse": "RMSE, points",
    "mae": "MAE, points",
    "mape": "MAPE, %",
    "skill": "skill, %",
    "direction": "direction right, %",
    "mean_difference": "mean difference, squared points",
    "p_value": "p",
    "p_bartlett": "p, Bartlett",
    "p_holm": "p after Holm",
    "p_fdr": "p after Benjamini-Hochberg",
    "p_lower": "p, lower bound",
    "p_upper": "p, upper bound",
    "p_reality_check": "p, reality check",
    "mean_gain": "mean gain, squared points",
    "adjusted_difference": "adjusted difference, squared points",
    "expected_better": "first expected better, % of hours",
    "statistic_naive": "statistic, naive",
    "p_value_naive": "p, naive",
    "slope_se": "standard error of slope",
    "optimal_block_hours": "optimal block",
    "used_hours": "block used",
    "first_origin": "first origin",
    "last_origin": "last origin",
    "learnt_from": "rows learnt from",
    "stopped_by": "rows to stop by",
    "forecast": "rows forecast",
    "jump_share": "in the jump regime, %",
    "target_correlation": "correlation with the target",
    "hidden_size": "hidden units",
    "num_layers": "layers",
    "parameters_published": "parameters, eleven inputs",
    "parameters": "parameters here",
    "best_epoch": "best epoch",
    "validation_loss": "validation loss",
    "equal_weight": "weight if all were alike, %",
    "mean_weight": "mean weight, %",
    "normal_weight": "in normal hours, %",
    "jump_weight": "in jump hours, %",
    "step": "what the forecast is made of",
    "added": "R² added",
    "rmse_sd": "standard deviation over seeds",
    "rmse_low": "best seed",
    "rmse_high": "worst seed",
    "rmse_averaged": "RMSE of the mean forecast, points",
    "r2_averaged": "R² of the mean forecast",
    "gain": "gain in RMSE, points",
    "loss_gain": "gain over persistence, %",
    "year_1": "gain that a year settles, %",
    "year_2": "two years, %",
    "year_4": "four years, %",
    "months_needed": "months that the gain seen needs",
    "months_more": "months still to come",
    "commonest": "commoner direction, %",
    "chose": "rows that chose settings, %",
    "found_from": "found from, points",
    "pairs": "pairs of seeds",
    "better": "larger better",
    "worse": "larger worse",
    "averaged_p": "p of the mean forecast",
    "averaged_in": "mean forecast in the set",
    "single_in": "seeds in the set",
    "flagged_by": "flagged by",
    "share": "share of all, %",
    "covered_50": "in the 50 % interval, %",
    "covered_90": "in the 90 % interval, %",
    "below_05": "below q05, %",
    "below_25": "below q25, %",
    "below_50": "below q50, %",
    "below_75": "below q75, %",
    "below_95": "below q95, %",
    "width_50": "width of 50 %, points",
    "width_90": "width of 90 %, points",
    "crps": "CRPS, points",
    "persistence_crps": "CRPS of persistence, points",
    "crps_skill": "CRPS skill, %",
    "crps_difference": "mean difference in CRPS, points",
    "pinball_05": "pinball q05",
    "pinball_25": "pinball q25",
    "pinball_50": "pinball q50",
    "pinball_75": "pinball q75",
    "pinball_95": "pinball q95",
    "survive": "of them flagged by the test",
    "survive_share": "share of flagged, %",
    "way": "learns from",
    "rule": "rule of the signal",
    "annual_return": "return after costs, % a year",
    "annual_gross": "return before costs, % a year",
    "annual_cost": "costs, % a year",
    "volatility": "volatility, % a year",
    "sharpe": "Sharpe ratio",
    "sharpe_low": "Sharpe ratio, lower bound",
    "sharpe_high": "Sharpe ratio, upper bound",
    "drawdown": "largest drawdown, % of capital",
    "in_market": "days with a position, by size, %",
    "hit_rate": "positions with a gain, %",
    "break_even": "break-even cost, points a side",
    "turnover": "positions turned over a year",
    "delay_hours": "delay, hours",
    "half_spread": "half-spread, points",
    "half_year": "half-year",
    "unit_gain": "gain of one point long, points",
    "position": "position, % of capital a point",
    "net": "net, % of capital",
    "expected": "best Sharpe ratio by luck",
    "probability": "probability of more than luck",
    "pooling_change": "change by pooling, percentage points",
    "asset_a": "first asset",
    "asset_b": "second asset",
    "week": "week from",
    "excess": "lost to persistence, squared points",
    "largest_move": "largest move, points",
    "smallest": "smallest move, points",
    "largest": "its largest, points",
    "foreseen": "foreseen, % of the move",
    "in_jump": "of them in jump hours, %",
    "longest": "longest, hours",
    "farthest": "farthest outside, points",
    "farthest_target": "at target hour",
}
LOSS_NAMES = {
    "squared_error": "squared error",
    "absolute_error": "absolute error",
    "direction": "direction",
}
_FORMS = {"mape": ".2f", "sharpe": ".2f"}  # of metrics whose third decimal says nothing
_SHARES = (
    "skill",
    "attained",
    "loss_gain",
    "year_1",
    "year_2",
    "year_4",
    "direction",
    "commonest",
    "chose",
    "found_from",
    "jump_share",
    "expected_better",
    "share",
    "survive_share",
    "equal_weight",
    "mean_weight",
    "normal_weight",
    "jump_weight",
    "covered_50",
    "covered_90",
    "below_05",
    "below_25",
    "below_50",
    "below_75",
    "below_95",
    "crps_skill",
    "in_market",
    "hit_rate",
    "foreseen",
    "in_jump",
)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """A table of training, evaluation or significance for readers.

    Parameters
    ----------
    table : DataFrame
        Columns as the package names them; unknown ones stay as they are.

    Returns
    -------
    DataFrame
        The same rows: models by name, shares in percent, p-values as text, heads with units.
    """
    new = {name: 100 * table[name] for name in _SHARES if name in table}
    new |= {name: table[name].map(written_p) for name in _HEADS if _is_p(name) and name in table}
    new |= {name: table[name].map(_whole) for name in ("n", "turnover") if name in table}
    new |= {name: table[name].map({True: "yes", False: "no"}) for name in table.select_dtypes(bool)}
    if "loss" in table:
        new["loss"] = table["loss"].map(lambda name: LOSS_NAMES.get(name, name))
    return _named(table.assign(**new))


def with_interval(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """`readable`, with a metric and its bounds `low, high` as text in one column."""
    values = table[[metric, "low", "high"]].itertuples(index=False)
    cells = [_cell(metric, *row) for row in values]
    shown = readable(table.drop(columns=["low", "high"]))
    return shown.assign(**{_HEADS[metric]: cells})


def interval_grid(table: pd.DataFrame, *, prefix: str = "") -> pd.DataFrame:
    """Estimates with their intervals as text, one row per model and one column per metric.

    Parameters
    ----------
    table : DataFrame
        `bootstrap_interval`, or a table with `model` or `model_a, model_b`, `metric, estimate, low,
        high`.
    prefix : str
        `difference` shows the metrics less those of persistence, `difference_low` and
        `difference_high`.
    """
    names = (prefix, f"{prefix}_low", f"{prefix}_high") if prefix else ("estimate", "low", "high")
    values = table[["metric", *names]].itertuples(index=False)
    cells = table.assign(text=[_cell(*row) for row in values])
    rows = [name for name in ("model", "model_a", "model_b", "jump_regime") if name in table]
    cells = cells.set_index([*rows, "metric"])["text"]
    grid = cells.unstack("metric", sort=False)  # noqa: PD010 text has no aggregate
    return _named(grid.reset_index().rename_axis(columns=None))


def pivoted(
    shown: pd.DataFrame, by: str, values: Iterable[str], *, index: Iterable[str] = ("model",)
) -> pd.DataFrame:
    """A table of `readable` with one row per model and the groups side by side.

    Parameters
    ----------
    shown : DataFrame
        One row per model and group.
    by, values, index
        Columns, as the package names them: the groups, what is shown of each, and the rows.

    Returns
    -------
    DataFrame
        Columns (group, head): `index` without a group, then each group's values; one value alone
        stands above the groups. Rows and groups in their order in `shown`.
    """
    names, heads = ([_HEADS.get(name, name) for name in part] for part in (index, values))
    keys = shown.set_index(names).index.drop_duplicates()
    columns = {("", name): keys.get_level_values(name) for name in names}
    for group, part in shown.groupby(_HEADS.get(by, by), sort=False):
        # A model without a value in a group leaves an empty cell, and no shift.
        indexed = part.set_index(names).reindex(keys)
        for head in heads:
            place = (str(group), head) if len(heads) > 1 else (head, str(group))
            columns[place] = indexed[head].to_numpy()
    return pd.DataFrame(columns)


def group_shares(table: pd.DataFrame, by: str) -> str:
    """How the hours of a score table (`n`) fall on its groups, in words."""
    hours = table.groupby(by, sort=False)["n"].max()
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in (hours / hours.sum()).items())


def _named(table: pd.DataFrame) -> pd.DataFrame:
    models = [name for name in ("model", "model_a", "model_b") if name in table]
    return table.assign(**{name: table[name].map(label) for name in models}).rename(columns=_HEADS)


def _cell(metric: str, estimate: float, low: float, high: float) -> str:
    if pd.isna(estimate):
        return MISSING
    scale = 100 if metric in _SHARES else 1
    form = _FORMS.get(metric, ".1f" if scale == 100 else ".3f")
    # A value without an interval keeps a dash, so that the column lines up.
    if pd.isna(low):
        return f"{number(scale * estimate, form)} {MISSING}"
    return f"{number(scale * estimate, form)} {bounds_text(scale * low, scale * high, form)}"


def _whole(value: float) -> str:
    return written(value, 0)


def _is_p(name: str) -> bool:
    return name.startswith("p_") or name.endswith("_p")
