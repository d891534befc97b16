"""Stationary bootstrap of all metrics of eight models: counts, arch's loop, a plain Python loop.

All three score the same resamples; the two loops run fewer of them and are scaled up.

    OMP_NUM_THREADS=1 python benchmarks/bootstrap.py
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from arch.bootstrap import StationaryBootstrap

from dvol_utils.evaluation import METRICS, SUMS, contributions, metrics_from_sums
from dvol_utils.significance.bootstrap import bootstrap_interval

ROWS, MODELS, REPS, BLOCK, SEED = 7_843, 8, 2_000, 72, 0
ARCH_REPS, LOOP_REPS = 100, 3


def forecasts() -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    level = 60 + 0.3 * rng.normal(size=ROWS + 24).cumsum()
    start, outcome = level[:-24], level[24:]
    base = pd.DataFrame(
        {
            "origin": pd.date_range("2024-11-22 05:00", periods=ROWS, freq="h", tz="UTC"),
            "horizon_hours": 24,
            "y_true": outcome,
            "y_origin": start,
        }
    )
    noise = [0.1 * number * rng.normal(size=ROWS) for number in range(MODELS)]
    return pd.concat(
        [
            base.assign(model=f"model_{number}", y_pred=start + noise[number])
            for number in range(MODELS)
        ],
        ignore_index=True,
    )


def by_counts(table: pd.DataFrame, reps: int) -> np.ndarray:
    found = bootstrap_interval(table, METRICS, block_hours=BLOCK, reps=reps, seed=SEED)
    return found[["low", "high"]].to_numpy()


def by_arch(table: pd.DataFrame, reps: int) -> np.ndarray:
    """arch copies the rows of each resample; metrics are computed from the copy."""
    parts = [contributions(rows).to_numpy() for _, rows in table.groupby("model", sort=False)]

    def metrics(*resampled: np.ndarray) -> np.ndarray:
        sums = np.stack([rows.sum(axis=0) for rows in resampled])
        values = metrics_from_sums({name: sums[:, place] for place, name in enumerate(SUMS)})
        return np.concatenate([values[name] for name in METRICS])

    drawn = StationaryBootstrap(BLOCK, *parts, seed=SEED).apply(metrics, reps=reps)
    return pd.DataFrame(drawn).quantile([0.025, 0.975]).to_numpy().T


def by_loop(table: pd.DataFrame, reps: int) -> np.ndarray:
    """Row by row in Python."""
    parts = [contributions(rows).to_numpy() for _, rows in table.groupby("model", sort=False)]
    rows = np.hstack(parts).tolist()
    sampler = StationaryBootstrap(BLOCK, np.arange(ROWS), seed=SEED)
    drawn = []
    for data in sampler.bootstrap(reps):
        sums = [0.0] * len(rows[0])
        for place in data[0][0]:
            for column, value in enumerate(rows[place]):
                sums[column] += value
        grid = np.array(sums).reshape(MODELS, len(SUMS))
        values = metrics_from_sums({name: grid[:, place] for place, name in enumerate(SUMS)})
        drawn.append(np.concatenate([values[name] for name in METRICS]))
    return pd.DataFrame(drawn).quantile([0.025, 0.975]).to_numpy().T


def timed(name: str, run: Callable[[pd.DataFrame, int], np.ndarray], reps: int) -> float:
    table = forecasts()
    start = time.perf_counter()
    run(table, reps)
    seconds = (time.perf_counter() - start) * REPS / reps
    note = "" if reps == REPS else f" (from {reps})"
    print(f"{name:<22} {seconds:9.2f} s for {REPS:,} resamples{note}")
    return seconds


def main() -> None:
    table = forecasts()
    for other, reps in ((by_arch, ARCH_REPS), (by_loop, LOOP_REPS)):
        np.testing.assert_allclose(by_counts(table, reps), other(table, reps), rtol=1e-8)
    print(f"{MODELS} models, {ROWS:,} rows, {len(METRICS)} metrics; the three agree")
    timed("counts @ contributions", by_counts, REPS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    timed("arch's loop", by_arch, ARCH_REPS)
    timed("plain Python loop", by_loop, LOOP_REPS)
    print(f"peak memory after counts: {peak:.0f} MiB, libraries included")


if __name__ == "__main__":
    main()
