"""Is "how long until we know" right? Counted on the simulated market.

`significance/power.py` says how many hours settle a gain with a probability of 80 %, by the
long-run variance of the hours that a study has seen. Here a linear model with calendar and memory
is fitted to the first years of a long simulated market and forecasts the rest of it; its gain over
all these hours counts as the true one. Every stretch as long as the `bitcoin` study's test year
says by its own variance how many months that gain needs: the median and the middle half of these
stand in the table. Then the market is cut into stretches of the median length, and the share of
them in which the test (`hac.mean_test`, 5 %) finds the gain is set beside 80 %. Forecasts
`stretched` by a factor have a smaller gain and louder errors, as a poorly fitted model has.

    python benchmarks/power.py [--hours 1500000] [--seeds 0 1]
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from dvol_utils.data.simulated.market import simulate_market
from dvol_utils.significance.hac import mean_test, periodogram_variance
from dvol_utils.significance.losses import gain_moments
from dvol_utils.significance.power import HOURS_A_MONTH, POWER, hours_needed
from dvol_utils.study.params import SimulatedParams

HORIZON = 24
FIT_HOURS = 100_000
MEMORY = (24, 168, 720)
STRETCHED = (1.0, 1.3)
TEST_HOURS = 7_821


def forecasts(seed: int, hours: int, stretch: float) -> pd.DataFrame:
    """A forecast table of persistence and of a linear model on the hours after the fit."""
    market = simulate_market(SimulatedParams(hours=hours, seed=seed))["dvol"]
    level = pd.Series(np.log(market["dvol_close"].to_numpy(dtype=float)))
    memory = np.column_stack([level - level.rolling(window).mean() for window in MEMORY])
    hour = np.arange(len(level)) % 168
    change = (level.shift(-HORIZON) - level).to_numpy()
    fitted = slice(max(MEMORY), FIT_HOURS)
    inputs = np.column_stack([memory[fitted], np.eye(168)[hour[fitted]]])
    weights = np.linalg.lstsq(inputs, change[fitted])[0]
    rows = np.arange(FIT_HOURS + HORIZON, len(level) - HORIZON)
    made = memory[rows] @ weights[: len(MEMORY)] + weights[len(MEMORY) :][hour[rows]]
    origin = np.exp(level.to_numpy()[rows])
    table = pd.DataFrame(
        {
            "origin": pd.Timestamp("2000-01-01", tz="UTC") + pd.to_timedelta(rows, unit="h"),
            "y_origin": origin,
            "y_true": origin * np.exp(change[rows]),
            "y_pred": origin * np.exp(stretch * made),
        }
    )
    return pd.concat(
        [table.assign(model="linear"), table.assign(model="persistence", y_pred=origin)]
    )


def counted(moments: np.ndarray) -> tuple[float, np.ndarray, int, float]:
    """Gain, months that a test year says (quartiles), stretches of the median, share that finds."""
    gain = moments.mean()
    said = [hours_needed(_variance(piece), gain) for piece in _cut(moments, TEST_HOURS)]
    quartiles = np.quantile(said, [0.25, 0.5, 0.75])
    pieces = _cut(moments, int(quartiles[1]))
    found = [mean_test(piece, piece.mean())[1] < 0.05 and piece.mean() > 0 for piece in pieces]
    return gain, quartiles / HOURS_A_MONTH, len(pieces), float(np.mean(found))


def _variance(moments: np.ndarray) -> float:
    return periodogram_variance(moments[:, None]).item()


def _cut(moments: np.ndarray, hours: int) -> np.ndarray:
    return moments[: len(moments) // hours * hours].reshape(-1, hours)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=int, default=1_500_000, help="hours of each market")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments = parser.parse_args()
    print("| loss | stretched | gain, % | months needed (middle half) | stretches | found, % |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for stretch in STRETCHED:
        moments = pd.concat(
            gain_moments(forecasts(seed, arguments.hours, stretch), "linear")
            for seed in arguments.seeds
        )
        for loss, series in moments.items():
            gain, months, count, share = counted(series.to_numpy())
            error = 100 * np.sqrt(POWER * (1 - POWER) / count)
            print(
                f"| {loss} | {stretch} | {100 * gain:.1f} | {months[1]:.1f} ({months[0]:.1f} to "
                f"{months[2]:.1f}) | {count} | {100 * share:.0f} ± {error:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
