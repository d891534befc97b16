"""Stationary bootstrap of all metrics of twelve models: counts, arch's loop, a plain Python loop.

All three score the same resamples; the two loops run fewer of them and are scaled up. Then the
Model Confidence Set and the test of superior ability on as many resamples, and arch's own Model
Confidence Set, which keeps the indices of every resample.

    OMP_NUM_THREADS=1 python benchmarks/bootstrap.py
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from arch.bootstrap import MCS, StationaryBootstrap

from dvol_utils.evaluation import METRICS, SUMS, contributions, metrics_from_sums
from dvol_utils.evaluation.forecast_table import squared_errors
from dvol_utils.significance import bootstrap_interval, model_confidence_set, superior_ability
from dvol_utils.significance.resampling import Resampling

ROWS, MODELS, REPS, BLOCK, SEED = 7_843, 12, 10_000, 72, 0
LIMIT_S, LIMIT_MIB = 20, 2_048
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


def by_counts(table: pd.DataFrame, reps: int, *, calibrated: bool = True) -> np.ndarray:
    resampling = Resampling(BLOCK, reps, SEED, calibrated=calibrated)
    found = bootstrap_interval(table, METRICS, resampling=resampling)
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


def confidence_set(table: pd.DataFrame, reps: int) -> np.ndarray:
    return model_confidence_set(table, size=0.1, resampling=Resampling(BLOCK, reps, SEED))[
        "p_value"
    ].to_numpy()


def superior(table: pd.DataFrame, reps: int) -> np.ndarray:
    return superior_ability(table, benchmark="model_0", resampling=Resampling(BLOCK, reps, SEED))[
        "p_value"
    ].to_numpy()


def confidence_set_by_arch(table: pd.DataFrame, reps: int) -> np.ndarray:
    losses = squared_errors(table)
    test = MCS(losses, 0.1, reps=reps, block_size=BLOCK, seed=SEED)
    test.compute()
    return test.pvalues.loc[losses.columns, "Pvalue"].to_numpy()


def timed(name: str, run: Callable[[pd.DataFrame, int], np.ndarray], reps: int = REPS) -> float:
    table = forecasts()
    start = time.perf_counter()
    run(table, reps)
    seconds = (time.perf_counter() - start) * REPS / reps
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    note = f"peak {peak:5.0f} MiB so far" if reps == REPS else f"from {reps} resamples"
    print(f"{name:<28} {seconds:9.2f} s   {note}")
    return seconds


def main() -> None:
    table = forecasts()
    for other, reps in ((by_arch, ARCH_REPS), (by_loop, LOOP_REPS)):
        percentiles = by_counts(table, reps, calibrated=False)  # as the other two have them
        np.testing.assert_allclose(percentiles, other(table, reps), rtol=1e-8)
    np.testing.assert_array_equal(
        confidence_set(table, ARCH_REPS), confidence_set_by_arch(table, ARCH_REPS)
    )
    print(
        f"{MODELS} models, {ROWS:,} rows, {len(METRICS)} metrics, {REPS:,} resamples; all agree; "
        f"allowed for the first: {LIMIT_S} s, {LIMIT_MIB:,} MiB"
    )
    timed("all metrics, counts", by_counts)
    timed("superior ability", superior)
    timed("confidence set", confidence_set)
    timed("confidence set, arch", confidence_set_by_arch)
    timed("all metrics, arch's loop", by_arch, ARCH_REPS)
    timed("all metrics, Python loop", by_loop, LOOP_REPS)


if __name__ == "__main__":
    main()
