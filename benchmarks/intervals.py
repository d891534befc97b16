"""What the settings of the intervals were chosen by: validation rows only.

    python benchmarks/intervals.py --study bitcoin --raw DIR [--set KEY=VALUE ...]

Puts quantiles around the forecasts of four simple models and of persistence, walked through the
validation rows and refitted every quarter, with one setting at a time other than the chosen ones
(first row). Prints, over models, the mean share of outcomes (%) in the 90 % interval and the lowest
and highest of any model in any stretch of 327 days, which is how long the test is; the same in jump
hours; the mean share in the 50 % interval, CRPS (points) and its skill against persistence (%). An
earlier `split.validation_start` shows how much of it lasts; `data.assets=[ETH]`, elsewhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd

from choices import load
from dvol_utils.evaluation import coverage, crps, with_quantiles
from dvol_utils.forecasting import intervals
from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.samples.samples import Samples
from dvol_utils.study.judging_section import UncertaintyParams

MODELS = ["persistence", "har", "har_calendar", "ridge_decay", "boosted_trees"]
STRETCH = pd.Timedelta(days=327)
SETTINGS: dict[str, tuple[Any, ...]] = {
    "past_days": (90, 180, 730),
    "half_life_days": (30.0, 60.0, 240.0, 1e5),
    "learning_rate": (0.0, 0.005, 0.01, 0.05, 0.1),
    "jump_learning_rate": (0.0, 0.01, 0.02, 0.1, 0.2),
    "_RECENT_SHARE": (0.0, 0.2, 0.3, 0.5, 0.6),
    "_RECENT_HOURS": (12, 48, 168),
    "_USUAL_HOURS": (336, 1_440),
}


def settings() -> Iterator[dict[str, Any]]:
    yield {}
    for key, values in SETTINGS.items():
        for value in values:
            yield {key: value}


def with_setting(
    changed: dict[str, Any], forecasts: pd.DataFrame, samples: Samples, chosen: UncertaintyParams
) -> pd.DataFrame:
    """The forecasts with quantiles; names in capitals are constants of `intervals`."""
    constants = {name: value for name, value in changed.items() if name.isupper()}
    params = {name: value for name, value in changed.items() if name not in constants}
    with patch.dict(vars(intervals), constants):
        return intervals.add_quantiles(forecasts, samples, chosen.model_copy(update=params))


def stretches(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Rows of every stretch, each 30 days on; all rows where they span no more than one."""
    origin = rows["origin"]
    last = max(origin.min(), origin.max() - STRETCH)
    for start in pd.date_range(origin.min(), last, freq="30D"):
        yield rows[(origin >= start) & (origin < start + STRETCH)]


def judged(rows: pd.DataFrame) -> dict[str, float]:
    jumps, scores = rows[rows["jump_regime"] == "jump"], crps(rows)
    found = {}
    for name, some in (("90", rows), ("jump", jumps)):
        shares = [100 * coverage(part)["covered_90"] for part in stretches(some)]
        found |= {f"in_{name}": 100 * coverage(some)["covered_90"].mean()}
        found |= {f"low_{name}": min(s.min() for s in shares)}
        found |= {f"high_{name}": max(s.max() for s in shares)}
    rivals = scores["model"] != "persistence"
    return {
        **found,
        "in_50": 100 * coverage(rows)["covered_50"].mean(),
        "crps": scores["crps"].mean(),
        "skill_pct": 100 * scores.loc[rivals, "crps_skill"].mean(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="demo")
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args(namespace=argparse.Namespace(epochs=None))
    walk = {"walk.validation": "quarterly", "walk.test": "never", "models": MODELS}
    samples, study = load(args, walk)
    table = forecast_table(samples, study)[0]
    forecasts = table[table["split"] == "validation"].reset_index(drop=True)
    found = [
        (changed, with_setting(changed, forecasts, samples, study.uncertainty))
        for changed in settings()
    ]
    origins = set.intersection(*(set(with_quantiles(made)["origin"]) for _, made in found))
    rows = []
    for changed, made in found:
        name = ", ".join(f"{key}={value:g}" for key, value in changed.items()) or "(chosen)"
        rows.append({"changed": name, **judged(made[made["origin"].isin(origins)])})
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    print(f"{len(rows)} configurations, {len(origins)} validation hours, {len(MODELS)} models")


if __name__ == "__main__":
    main()
