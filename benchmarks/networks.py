"""What the small networks' settings were chosen by: validation rows only.

    python benchmarks/networks.py --study bitcoin --raw DIR [--model lstm_tuned attention]

Every quarter of the validation rows is forecast by networks that know what was known at its start,
with one setting at a time other than the chosen ones (those of the first row). Columns: skill (%)
of the seeds' mean forecast, in all hours, those of the jump regime and the others; the single
seeds' mean skill.
`--set split.validation_start=... split.test_start=...` shows an earlier time. Test rows are not
touched.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.forecasting.walk import fold_forecast
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.models import Forecaster
from dvol_utils.models.networks import build_network, network_study
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.folds import Fold, fold_rows, fold_samples, study_folds
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import StudyParams
from dvol_utils.study.settings import parse_settings
from dvol_utils.training import fit_network, predict_rows
from dvol_utils.training.processes.many import Failure, run_tasks
from dvol_utils.training.sequences import build_sequences

WALK = {"walk.validation": "quarterly", "walk.test": "never"}
GROUPS = ("har", "calendar", "expiry", "macro")
MORE = ("market", "funding")
# What is changed: of the network's own settings (`networks.<name>`), or of the study (with a dot).
SHARED: list[dict[str, Any]] = [
    {},
    {"groups": ["har", "calendar", "expiry"]},
    {"groups": ["har", "calendar"]},
    {"groups": ["calendar", "expiry", "macro"]},
    {"groups": ["har", "expiry", "macro"]},
    {"groups": ["published", *GROUPS]},
    {"groups": [*GROUPS, *MORE], "features.groups": ["published", "calendar", *MORE]},
    {"jump_weight": 2.0},
    {"jump_weight": 4.0},
    {"target_limit": None},
    {"target_limit": None, "training.loss": "huber"},
    {"training.window_hours": 72},
    {"target.volatility_window_hours": 168},
    {"target.volatility_window_hours": 720},
    {"walk.half_life_days": 180},
    {"walk.half_life_days": None},
]
OWN: dict[str, list[dict[str, Any]]] = {
    "lstm_tuned": [
        {"hidden_size": 4},
        {"hidden_size": 16},
        {"hidden_size": 32},
        {"num_layers": 2},
        {"dropout": 0.1},
        {"epochs": 8},
        {"epochs": 20},
        {"learning_rate": 1e-3, "epochs": 20},
        {"epochs": 100, "patience": 15},
    ],
    "attention": [
        {"hidden_size": 8, "heads": 2},
        {"hidden_size": 32},
        {"dropout": 0.1},
        {"epochs": 4},
        {"epochs": 16},
        {"learning_rate": 1e-3},
        {"learning_rate": 3e-3},
        {"epochs": 100, "patience": 15},
    ],
}


def overrides_of(name: str, change: Mapping[str, Any]) -> dict[str, Any]:
    """A change as overrides of a study, for one of its networks."""
    return {key if "." in key else f"networks.{name}.{key}": v for key, v in change.items()}


def load(overrides: Mapping[str, Any], study_name: str) -> tuple[Samples, StudyParams]:
    study = load_study(study_name, overrides)
    if study.is_simulated:
        write_store(study.raw_dir, study.data)
    panel = build_panel(study.raw_dir, study.data)
    return build_samples(panel, jumps_by_rule(panel, study.jumps), study), study


@dataclasses.dataclass
class Network:
    """A network of any kind behind the forecaster interface, without a checkpoint."""

    name: str
    study: StudyParams
    seed: int

    def fit(self, samples: Samples) -> None:
        torch.set_num_threads(1)
        self.own = network_study(self.name, self.study)
        inputs = len(feature_columns(self.own.features.groups))
        self.network = build_network(self.name, inputs, self.seed, self.study.networks)
        fit_network(self.network, samples, self.own, seed=self.seed)

    def predict(self, samples: Samples) -> np.ndarray:
        rows, forecast = np.flatnonzero(samples.complete), np.full(len(samples.dvol), np.nan)
        data = build_sequences(samples, self.own)
        forecast[rows] = predict_rows(self.network, data, rows, self.own.training)
        return samples.to_points(forecast)


def validation_folds(samples: Samples, study: StudyParams) -> list[Fold]:
    """Those whose rows are all of the validation split."""
    folds = [f for f in study_folds(samples, study) if f.start < study.split.test_start]
    assert all((samples.split[fold_rows(samples, fold)] == "validation").all() for fold in folds)
    return folds


def forecast(
    make: Callable[[], Forecaster],
    samples: Samples,
    study: StudyParams,
    change: Callable[[Samples], Samples] = lambda learnt: learnt,
) -> np.ndarray:
    """Forecasts of the validation rows, points, each by a model fitted before its quarter.

    `change` alters what each model learns from.
    """
    return np.concatenate(
        [
            fold_forecast(make(), fold, samples, change(fold_samples(samples, fold, study.walk)))
            for fold in validation_folds(samples, study)
        ]
    )


def skill(samples: Samples, rows: np.ndarray, points: np.ndarray) -> float:
    outcome, origin = samples.outcome[rows], samples.dvol[rows]
    return 100 * (1 - np.sum((points - outcome) ** 2) / np.sum((origin - outcome) ** 2))


def skills(samples: Samples, rows: np.ndarray, points: np.ndarray) -> dict[str, float]:
    jump = samples.jump_regime[rows] == "jump"
    return {
        "skill": skill(samples, rows, points),
        "jump hours": skill(samples, rows[jump], points[jump]),
        "normal hours": skill(samples, rows[~jump], points[~jump]),
    }


def side_by_side(tasks: Sequence[Callable[[], np.ndarray]]) -> list[np.ndarray]:
    """Their results; ends with the first that failed."""
    found = run_tasks(tasks)
    if failed := [result for result in found if isinstance(result, Failure)]:
        raise SystemExit(failed[0].error)
    return found


def compare(name: str, args: argparse.Namespace) -> pd.DataFrame:
    given = parse_settings(args.set)
    raw = {"data.raw_dir": str(args.raw.resolve())} if args.raw else {}
    table = []
    for change in [*SHARED, *OWN[name]]:
        overrides = {**WALK, **raw, **given, **overrides_of(name, change)}
        samples, study = load(overrides, args.study)
        made = [partial(Network, name, study, seed) for seed in range(args.seeds)]
        found = side_by_side([partial(forecast, make, samples, study) for make in made])
        rows = samples.rows("validation")
        mean = np.mean(found, axis=0)
        table.append(
            {
                "model": name,
                "changed": ", ".join(f"{k} {_text(v)}" for k, v in change.items()) or "none",
                **skills(samples, rows, mean),
                "single": np.mean([skill(samples, rows, points) for points in found]),
            }
        )
        print(pd.DataFrame(table[-1:]).round(2).to_string(index=False, header=False), flush=True)
    return pd.DataFrame(table)


def _text(value: Any) -> str:
    return " + ".join(value) if isinstance(value, list) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="demo")
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--model", nargs="+", choices=list(OWN), default=list(OWN))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    table = pd.concat([compare(name, args) for name in args.model])
    print(table.round(2).to_string(index=False))
    print(f"{len(table)} configurations, {args.seeds} seeds each, scored on validation rows only")


if __name__ == "__main__":
    main()
