"""What the defaults were chosen by: validation rows only, test rows are not touched.

    python benchmarks/choices.py inputs --study bitcoin --raw DIR
    python benchmarks/choices.py rivals --study bitcoin --raw DIR [--set KEY=VALUE ...]

`inputs` compares feature groups of a network. Prints one row a run and the mean of each choice:
validation skill against persistence, weighted validation loss, seconds. Supervision and precision
are compared by quality.py.

`rivals` walks the time-weighted ridge and the boosted trees through the validation rows, refitted
every quarter, with one value at a time other than the chosen ones (those of the first row). An
earlier `split.validation_start` shows how much of it lasts; `data.assets=[ETH]`, elsewhere.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated import write_store
from dvol_utils.features import GROUPS, feature_columns
from dvol_utils.folds import fold_rows, fold_samples, study_folds
from dvol_utils.jumps import detect_jumps
from dvol_utils.models.decay import HALF_LIFE_DAYS, MONTH_EXPIRY, TARGET_CLIP, DecayForecaster
from dvol_utils.models.linear import WeightedRidge
from dvol_utils.models.networks import build_network
from dvol_utils.models.trees import BoostedTrees
from dvol_utils.params import StudyParams, load_study, parse_override
from dvol_utils.training import fit_network
from dvol_utils.walkforward import fold_forecast
from dvol_utils.windows import Samples, build_samples

INPUTS = (
    ["published"],
    ["published", "calendar"],
    ["published", "har", "calendar"],
    ["published", "har", "calendar", "market", "funding"],
)
RIVALS = {
    "ridge_decay": (WeightedRidge, ["har", "calendar"]),
    "boosted_trees": (BoostedTrees, ["har", "clock"]),
}
EXPIRIES = {"none": [], "month": MONTH_EXPIRY, "month, quarter": list(GROUPS["expiry"])}
OWN_WINDOW = "own 336"  # hours; any other is the target's, for every model
CHOSEN: dict[str, Any] = {
    "half_life": HALF_LIFE_DAYS,
    "window": OWN_WINDOW,
    "expiry": "month",
    "clip": TARGET_CLIP,
}
VARIED: dict[str, tuple[Any, ...]] = {
    "half_life": (90.0, 180.0, 730.0, 1e5),
    "window": (168, 336, 720),
    "expiry": ("none", "month, quarter"),
    "clip": (1.0, 3.0, 1e5),
}


def load(args: argparse.Namespace, overrides: dict[str, Any]) -> tuple[Samples, StudyParams]:
    if args.raw:
        overrides = {**overrides, "data.raw_dir": str(args.raw.resolve())}
    if args.epochs:
        overrides = {**overrides, "training.epochs": args.epochs}
    study = load_study(args.study, {**overrides, **dict(map(parse_override, args.set))})
    if study.is_simulated:
        write_store(study.raw_dir, study.data)
    panel = build_panel(study.raw_dir, study.data)
    return build_samples(panel, detect_jumps(panel, study.jumps), study), study


def run(args: argparse.Namespace, overrides: dict[str, Any], seed: int) -> dict[str, float]:
    samples, study = load(args, overrides)
    network = build_network(args.model, len(feature_columns(study.features.groups)), seed)
    started = time.perf_counter()
    history = fit_network(network, samples, study, seed=seed)
    seconds = time.perf_counter() - started
    best = min(history, key=lambda row: row["validation_loss"])
    return {
        "skill": best["validation_skill"],
        "loss": best["validation_loss"],
        "epochs": len(history),
        "seconds": seconds,
    }


def rival_choices() -> Iterator[dict[str, Any]]:
    for model in RIVALS:
        yield {"model": model, **CHOSEN}
        for key, values in VARIED.items():
            for value in values:
                yield {"model": model, **CHOSEN, key: value}


def rival(choice: dict[str, Any]) -> DecayForecaster:
    regression, groups = RIVALS[choice["model"]]
    own = {} if choice["window"] == OWN_WINDOW else {"own_volatility": None}
    return DecayForecaster(
        [*feature_columns(groups), *EXPIRIES[choice["expiry"]]],
        regression(),
        half_life_days=choice["half_life"],
        clip=choice["clip"],
        **own,
    )


def walk(choice: dict[str, Any], samples: Samples, study: StudyParams) -> dict[str, float]:
    """Scores on the validation rows, each forecast by a model fitted before its quarter."""
    folds = [f for f in study_folds(samples, study) if f.start < study.split.test_start]
    rows = np.concatenate([fold_rows(samples, fold) for fold in folds])
    assert (samples.split[rows] == "validation").all()
    started = time.perf_counter()
    forecast = np.concatenate(
        [
            fold_forecast(rival(choice), fold, samples, fold_samples(samples, fold, study.walk))
            for fold in folds
        ]
    )
    seconds = (time.perf_counter() - started) / len(folds)
    truth, origin = samples.outcome[rows], samples.dvol[rows]
    error, still = truth - forecast, truth - origin
    return {
        "skill_pct": 100 * (1 - np.sum(error**2) / np.sum(still**2)),
        "direction_pct": 100 * np.mean(np.sign(forecast - origin) == np.sign(still)),
        "rows": len(rows),
        "seconds_a_fold": seconds,
    }


def compare_rivals(args: argparse.Namespace) -> None:
    rows, loaded = [], {}
    for choice in rival_choices():
        window = choice["window"]
        if window not in loaded:
            target = {} if window == OWN_WINDOW else {"target.volatility_window_hours": window}
            loaded[window] = load(args, {"walk.validation": "quarterly", **target})
        rows.append({**choice, **walk(choice, *loaded[window])})
    print(pd.DataFrame(rows).round(2).to_string(index=False))
    print(f"{len(rows)} configurations, scored on validation rows only")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["inputs", "rivals"], nargs="?", default="inputs")
    parser.add_argument("--study", default="demo")
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--model", default="lstm_baseline")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    if args.what == "rivals":
        return compare_rivals(args)
    rows = []
    for groups in INPUTS:
        for seed in range(args.seeds):
            found = run(args, {"features.groups": groups}, seed)
            rows.append({"choice": " + ".join(groups), "seed": seed, **found})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).groupby("choice", sort=False)
    print(table[["skill", "loss", "epochs", "seconds"]].mean().round(4).to_string())


if __name__ == "__main__":
    main()
