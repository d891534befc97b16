"""How often tests find something where there is nothing, and where there is a gain.

Outcomes are sums of the last `horizon` innovations, so that neighbours overlap as targets do; the
signal of a forecast moves slowly and knows nothing of them. Level: two forecasts err by the same
signal with opposite signs, and calls of direction are those of the signal. Power: the outcome holds
the signal, a skill of 7 % over persistence. Intervals miss where they leave out the truth.

    OMP_NUM_THREADS=1 python benchmarks/levels.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from arch.bootstrap import optimal_block_length
from scipy.signal import lfilter

from dvol_utils.significance import (
    Resampling,
    clark_west,
    diebold_mariano,
    giacomini_white,
    mincer_zarnowitz,
)
from dvol_utils.significance.regressions import direction_regression

HORIZON, LEVEL, SKILL = 24, 0.05, 0.07
GAIN = (SKILL / (1 - SKILL)) ** 0.5  # size of the signal beside errors of variance 1
ROWS = (1_000, 4_000, 7_821)
OTHER_HORIZONS = (1, 72, 168)
MARKETS = {"t(5)": (5, 0.0), "t(5), moving volatility": (5, 0.5), "t(3)": (3, 0.0)}
REPS = 300
EVERY = 4  # one draw in so many has bootstrap intervals and powers, which cost the most
PERIODOGRAM, BARTLETT = "periodogram", "Bartlett"
Found = dict[str, bool]


def market(rng: np.random.Generator, rows: int, horizon: int, name: str) -> np.ndarray:
    """Errors of the best forecast and the signal, shape (2, rows), both of variance 1."""
    freedom, spread = MARKETS[name]
    shocks = rng.standard_t(freedom, rows + horizon - 1) * ((freedom - 2) / freedom) ** 0.5
    shocks *= np.exp(spread * slow(rng, len(shocks), 0.999) - spread**2)
    errors = np.convolve(shocks, np.full(horizon, horizon**-0.5), mode="valid")
    return np.stack([errors, slow(rng, rows, 0.99)])


def slow(rng: np.random.Generator, rows: int, memory: float) -> np.ndarray:
    """A stationary autoregression of variance 1."""
    shocks = rng.standard_normal(rows) * (1 - memory**2) ** 0.5
    shocks[0] /= (1 - memory**2) ** 0.5
    return lfilter([1], [1, -memory], shocks)


def found(errors: np.ndarray, forecast: np.ndarray, horizon: int, *, useful: bool) -> Found:
    """Which tests are below `LEVEL`: all are levels, or with a useful forecast all are powers."""
    with_signal = errors + forecast
    own, rival = (errors, with_signal) if useful else (errors - forecast, with_signal)
    change, other = (with_signal, errors) if useful else (errors, with_signal)
    losses, absolute = (own**2, rival**2), (np.abs(own), np.abs(rival))
    nested = (change, np.zeros_like(change), forecast)
    at = {"horizon": horizon}
    by = {**at, "variance": "periodogram"}
    calls = (change > 0).astype(float), (forecast > 0).astype(float)
    direction = direction_regression(*calls, horizon)
    tests = {
        ("Diebold-Mariano", PERIODOGRAM): diebold_mariano(*losses, **by)[1],
        ("Diebold-Mariano", f"{BARTLETT}, h - 1 lags"): diebold_mariano(*losses, **at)[1],
        ("Diebold-Mariano", f"{BARTLETT}, 2(h - 1) lags"): diebold_mariano(
            *losses, **at, lags=2 * (horizon - 1)
        )[1],
        ("Diebold-Mariano, absolute errors", PERIODOGRAM): diebold_mariano(*absolute, **by)[1],
        ("direction", PERIODOGRAM): direction[2],
        ("direction", BARTLETT): direction[3],
        ("Clark-West", PERIODOGRAM): clark_west(*nested, **by)[1],
        ("Clark-West", BARTLETT): clark_west(*nested, **at)[1],
        ("Giacomini-White", PERIODOGRAM): giacomini_white(*losses, **by)[1],
        ("Giacomini-White", BARTLETT): giacomini_white(*losses, **at)[1],
        ("Mincer-Zarnowitz", PERIODOGRAM): mincer_zarnowitz(other, forecast, **by).p_value,
        ("Mincer-Zarnowitz", BARTLETT): mincer_zarnowitz(other, forecast, **at).p_value,
    }
    return {", ".join(name): bool(p < LEVEL) for name, p in tests.items()}


def missed(errors: np.ndarray, forecast: np.ndarray, seed: int, *, useful: bool) -> Found:
    """Whether intervals leave out a skill of zero, or a half of all calls right."""
    with_signal = errors + forecast
    own, rival = (errors, with_signal) if useful else (errors - forecast, with_signal)
    change = with_signal if useful else errors
    right = (change > 0) == (forecast > 0)
    parts = np.column_stack([own**2, rival**2, right, np.ones(len(errors))])
    best = optimal_block_length(own**2 - rival**2)["stationary"].item()
    resampling = Resampling(max(HORIZON, int(np.ceil(best))), REPS, seed)
    sums, whole = resampling.sums(parts), parts.sum(axis=0)
    estimates = figures(whole)
    influence = len(errors) * (figures(whole + parts / 2) - figures(whole - parts / 2))
    result = {}
    for kind in ("percentile", "calibrated"):
        way = replace(resampling, calibrated=kind == "calibrated")
        low, high = way.interval(estimates, figures(sums), influence)
        for what, out in zip(
            ("skill", "share of calls right"), (low > 0) | (high < 0), strict=True
        ):
            result[f"interval of the {what}, {kind}"] = bool(out)
    return dict(sorted(result.items(), reverse=True))


def figures(sums: np.ndarray) -> np.ndarray:
    """Skill and share of calls right less a half, from sums over hours."""
    own, rival, right, hours = np.moveaxis(sums, -1, 0)
    return np.stack([1 - own / rival, right / hours - 0.5], axis=-1)


def draws_of(
    rows: int, horizon: int, name: str, draws: int, seed: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng([seed, rows, horizon, list(MARKETS).index(name)])
    for number in range(draws):
        errors, signal = market(rng, rows, horizon, name)
        yield number, errors, GAIN * signal


def shares(rows: int, name: str, draws: int, seed: int, *, useful: bool) -> pd.Series:
    """Share of draws in which each test or interval speaks, in percent, with its error."""
    tests: list[Found] = []
    intervals: list[Found] = []
    for number, errors, forecast in draws_of(rows, HORIZON, name, draws, seed):
        few = number % EVERY == 0
        if few or not useful:
            tests.append(found(errors, forecast, HORIZON, useful=useful))
        if few:
            intervals.append(missed(errors, forecast, number, useful=useful))
    return pd.concat([percentages(tests), percentages(intervals)])


def percentages(cases: list[Found]) -> pd.Series:
    share = pd.DataFrame(cases).mean()
    error = (share * (1 - share) / len(cases)) ** 0.5
    return (100 * share).map("{:.1f}".format) + (100 * error).map(" ({:.1f})".format)


def at_horizon(horizon: int, name: str, draws: int, seed: int) -> str:
    """Level of the primary test alone."""
    cases = [
        {
            "p": diebold_mariano(
                (errors - forecast) ** 2,
                (errors + forecast) ** 2,
                horizon=horizon,
                variance="periodogram",
            )[1]
            < LEVEL
        }
        for _, errors, forecast in draws_of(ROWS[-1], horizon, name, draws, seed)
    ]
    return percentages(cases)["p"]


def markdown(table: pd.DataFrame, head: str) -> str:
    lines = [[head, *table.columns], ["---"] * (1 + table.shape[1])]
    lines += [[name, *row] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--draws", type=int, default=1_200, help="markets a cell")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    drawn = given.draws, given.seed
    level = {
        f"{name}, T = {rows:,}": shares(rows, name, *drawn, useful=False)
        for name in MARKETS
        for rows in ROWS
    }
    print("Level, % of draws (standard error):\n")
    print(markdown(pd.DataFrame(level), "test or interval"), flush=True)
    power = {f"T = {rows:,}": shares(rows, "t(5)", *drawn, useful=True) for rows in ROWS}
    print(f"\nPower at a skill of {100 * SKILL:.0f} %, t(5), % of draws (standard error):\n")
    print(markdown(pd.DataFrame(power), "test or interval"), flush=True)
    others = {
        name: {f"{hours} h": at_horizon(hours, name, *drawn) for hours in OTHER_HORIZONS}
        for name in MARKETS
    }
    print(f"\nLevel of the primary test at other horizons, T = {ROWS[-1]:,}:\n")
    print(markdown(pd.DataFrame(others), "horizon"))


if __name__ == "__main__":
    main()
