"""Forecasts and scores for the terminal, and as plain JSON values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from dvol_utils.results.headline import HEADLINE_COLUMNS, P_VALUES
from dvol_utils.study.model_names import label
from dvol_utils.wording.columns import LOSS_NAMES
from dvol_utils.wording.numbers import MISSING, hour, number, percent, written, written_p

if TYPE_CHECKING:  # importing it takes a second that a forecast can do without
    from dvol_utils.serving.later_scores import LaterScores

_ENDS = ["first_origin", "last_origin"]


def forecast_text(made: dict[str, Any]) -> str:
    """What `forecast` returned for the terminal."""
    lines = [
        ("origin", f"{hour(made['origin'])} UTC   DVOL {made['dvol_now']:.2f}"),
        (
            "target",
            f"{hour(made['target_time'])} UTC   DVOL {made['forecast']:.2f}   "
            f"({made['change_points']:+.2f} points, {made['change_percent']:+.2f} %)",
        ),
        *((f"{share} %", _interval(made[f"interval_{share}"])) for share in (50, 90)),
        ("regime", f"{made['jump_regime']}; level {made['level_regime'] or 'unknown'}"),
        ("model", _model(made)),
        ("fitted", f"on outcomes before {hour(made['fitted_before'])}, fold {made['fold']}"),
        ("data", _data(made["data"])),
        *(("note", note) for note in made["notes"]),
    ]
    simulated = ", simulated market" if made["simulated"] else ""
    head = f"DVOL of {made['asset']} {made['horizon_hours']} hours ahead, study {made['study']}"
    return "\n".join([head + simulated, *(f"  {name:<8}{text}" for name, text in lines)])


def score_text(scores: LaterScores) -> str:
    """Scores of `score_later` for the terminal."""
    facts = scores.facts
    head = (
        f"Saved models of study {facts['study']} on {facts['asset']}, {facts['rows']:,} hours, "
        f"origins {hour(facts['first_origin'])} to {hour(facts['last_origin'])} UTC\n"
        f"Fitted on outcomes before {hour(facts['fitted_before'])}, fold "
        f"{facts['fold']}; nothing was fitted again"
    )
    doubts = "\n".join(f"doubtful: {doubt}" for doubt in scores.doubts)
    blocks = [doubts, head] if doubts else [head]
    for regime, part in scores.scores.groupby("jump_regime", sort=False):
        name = "All hours" if regime == "all" else f"Origins in the {regime} regime"
        blocks.append(f"{name}, {part['n'].iloc[0]:,}\n{_text_table(part, regime == 'all')}")
    if scores.losses["p_value"].notna().any():
        blocks.append(
            "Gain over persistence by three losses, %; of direction: moves called right less those "
            "that chance gives\n"
            f"{_losses_table(scores.losses)}"
        )
    lines = [
        f"ended: {label(row.model)}: one of its inputs ended, so it is scored on {row.n:,} hours, "
        f"to {hour(row.last_origin)}: RMSE {number(row.rmse, '.3f')} points, persistence "
        f"{number(row.rmse_persistence, '.3f')}, skill {percent(row.skill)}"
        for row in scores.ended.itertuples()
    ]
    lines += [f"left out: {label(name)}: {reason}" for name, reason in scores.left_out.items()]
    lines += [f"note: {note}" for note in scores.notes if note not in scores.doubts]
    return "\n\n".join([*blocks, *(["\n".join(lines)] if lines else [])])


def score_json(scores: LaterScores) -> dict[str, Any]:
    """Scores as plain JSON values, named in docs/forecast.md; missing numbers are null."""
    records = scores.scores.astype(object).where(scores.scores.notna(), None).to_dict("records")
    return scores.facts | {
        "scores": records,
        "losses": _plain_losses(scores.losses),
        "ended": json.loads(scores.ended.to_json(orient="records", date_format="iso")),
        "left_out": scores.left_out,
        "notes": scores.notes,
    }


def _plain_losses(losses: pd.DataFrame) -> list[dict[str, Any]]:
    times = {name: losses[name].map(lambda time: time.isoformat()) for name in _ENDS}
    plain = losses.assign(**times).astype(object)
    return plain.where(losses.notna(), None).to_dict("records")


def _losses_table(losses: pd.DataFrame) -> str:
    """One row per model: gain with its interval and the test's p by each loss, and the coverage."""
    shown: dict[str, list[str]] = {}
    for loss, rows in losses.groupby("loss", sort=False):
        shown.setdefault("Model", [label(name) for name in rows["model"]])
        shown[LOSS_NAMES[str(loss)]] = [
            f"{written(100 * row.loss_gain, 1)} ({written(100 * row.low, 1)} to "
            f"{written(100 * row.high, 1)})"
            for row in rows.itertuples()
        ]
        # Blanks make the name unique among the columns; the heading is stripped of them.
        shown[f"p{' ' * len(shown)}"] = [written_p(p) for p in rows["p_value"]]
    covered = losses.drop_duplicates("model")["covered_90"]
    shown["in the 90 % interval, %"] = [written(100 * share, 1) for share in covered]
    heads = [head.strip() for head in shown]
    return pd.DataFrame(shown).to_string(index=False, header=heads)


def _interval(bounds: list[float] | None) -> str:
    return "no interval" if bounds is None else f"{bounds[0]:.2f} to {bounds[1]:.2f}"


def _model(made: dict[str, Any]) -> str:
    why = "chosen on validation rows" if made["chosen_on_validation"] else "as asked for"
    seeds = f", mean of {made['seeds']} seeds" if made["seeds"] > 1 else ""
    return f"{made['model_label']} ({made['model']}), {why}{seeds}"


def _data(data: dict[str, Any]) -> str:
    return (
        f"{hour(data['first'])} to {hour(data['last'])}, {data['hours']:,} hours, "
        f"{data['imputed']} imputed: {data['raw_dir']}"
    )


def _text_table(part: pd.DataFrame, with_tests: bool) -> str:
    shown = {"Model": [label(name) for name in part["model"]]}
    order = ("skill", "rmse", "mae", "mape", "direction")
    for name in order:
        column = HEADLINE_COLUMNS[name]
        scale = 100 if name in ("skill", "direction") else 1
        head = ", ".join(filter(None, (column.heading, column.unit)))
        shown[head] = [written(scale * value, column.decimals) for value in part[name]]
        if name == "skill":
            shown["interval"] = [
                MISSING
                if pd.isna(low) or low == high
                else f"{written(100 * low, 1)} to {written(100 * high, 1)}"
                for low, high in zip(part["skill_low"], part["skill_high"], strict=True)
            ]
    if with_tests:
        for name in P_VALUES:
            shown[HEADLINE_COLUMNS[name].heading] = [written_p(p) for p in part[name]]
    return pd.DataFrame(shown).to_string(index=False)
