"""A small study that was run, and raw stores with what came later."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated import market as simulated
from dvol_utils.forecasting.forecasters import checkpoint_hashes
from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.samples.samples import build_samples
from dvol_utils.study.loading import load_study
from dvol_utils.study.model_names import SIMPLE_NAMES
from dvol_utils.study.params import SimulatedParams, StudyParams
from dvol_utils.study.tables import record, write_table

HOURS, LATER_HOURS = 4_000, 4_700
SIMPLE = list(SIMPLE_NAMES)
SERVED = {
    "title": "A served study",
    "data": {
        "source": "simulated",
        "simulated": {"start": "2021-01-01 00:00", "hours": HOURS, "seed": 1},
    },
    "split": {"validation_start": "2021-04-20 00:00", "test_start": "2021-05-20 00:00"},
    "models": [*SIMPLE, "lstm_baseline"],
    "features": {"scaling_window_hours": 240},
    "target": {"volatility_window_hours": 240},
    "training": {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "seeds": [0, 1]},
    "walk": {"validation": "never", "test": "monthly", "stop_days": 20},
    "evaluation": {"level_window_hours": 1_440},
    "significance": {"reps": 50},
}


def run_study(root: Path, **changes: Any) -> StudyParams:
    """Write the study `served` into `root` and leave what its first three stages do."""
    (root / "params").mkdir(parents=True)
    (root / "params/served.yaml").write_text(yaml.safe_dump({**SERVED, **changes}))
    study = load_study(root / "params/served.yaml")
    if study.is_simulated:
        simulated.write_store(study.raw_dir, study.data)
    panel = build_panel(study.raw_dir, study.data)
    jumps = jumps_by_rule(panel, study.jumps)
    for name, table in (("panel", panel), ("jumps", jumps)):
        write_table(study, name, table)
    samples = build_samples(panel, jumps, study)
    forecasts, _ = forecast_table(samples, study, log=lambda line: None)
    write_table(study, "forecasts", forecasts)
    checkpoints = checkpoint_hashes(study, forecasts)
    record(study, "03_lstm_training", {"rows": len(forecasts), "checkpoints": checkpoints})
    return study


def later_store(folder: Path, hours: int = LATER_HOURS, asset: str = "BTC") -> Path:
    """A raw store of the same market that goes on after the study's data."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in market(asset, hours).items():
        table.to_csv(simulated._path(folder, asset, name), index=False, lineterminator="\n")
    return folder


@functools.cache
def market(asset: str, hours: int) -> dict[str, pd.DataFrame]:
    """Raw series of the study's market, of any length."""
    params = SimulatedParams(**{**SERVED["data"]["simulated"], "hours": hours})
    return simulated.simulate_market(params, asset)
