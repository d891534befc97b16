"""The jump test's own properties, by simulation: size, power, false alarms, calendar, settings.

    OMP_NUM_THREADS=1 python benchmarks/jump_properties.py [--draws 1] [--markets 6]

Ends within about a minute on one core; `--draws 10` takes ten times the random numbers, `--markets`
sets the number of simulated markets. Each function returns a tidy table; `main` prints it.

References
----------
Lee and Mykland (2008), Review of Financial Studies 21(6), 2535-2563, doi 10.1093/rfs/hhm056.
Boudt, Croux and Laurent (2011), Journal of Empirical Finance 18(2), 353-367,
doi 10.1016/j.jempfin.2010.11.005.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from dvol_utils.data.simulated.market import simulate_market
from dvol_utils.jumps import (
    benjamini_hochberg,
    critical_value,
    detect_jumps,
    lee_mykland,
    normal_p_values,
    panel_periodicity,
    periodicity_factor,
    periodicity_wsd,
    spurious_rate,
    universal_threshold,
)
from dvol_utils.study.fitting_section import JumpParams
from dvol_utils.study.params import SimulatedParams
from jump_power import detection_power, family_error

ALPHAS = (0.01, 0.05)
YEAR = 8_760  # hours
# Returns a day, and the paper's window with its year of 252 days.
FREQUENCIES = {"15 minutes": (96, 156), "hour": (24, 78), "day": (1, 16)}
# Spurious flags in a million returns. `printed`: Lee and Mykland's Table 1, whose formula leaves
# the return out of its window. The other two: what the formula gives with the return out and in.
KNOWN = {("hour", 78, 0.05): {"printed": 21.8, "known_outside": 33.3, "known_inside": 21.4}}
BATCHES = 8
SIZES = (1, 2, 3, 4, 5)
FAMILY_WINDOWS = (94, 168, 720, YEAR)
# Standard deviation of log volatility over the hours of the week.
AMPLITUDES = {"none": 0.0, "moderate": 0.2, "strong": 0.5}
CALENDAR_YEARS = 4  # of one market, half of them to estimate the factors
JUMP_SHARE, JUMP_SIGMAS = 0.005, (4.0, 12.0)  # of hours; uniform, in sigmas of the average hour
MARKET_HOURS = 20_000
SETTING_WINDOWS = (48, 94, 168, 720)


def settings() -> Iterator[tuple[str, int, int, str]]:
    """Frequency, window, returns a year and whose setting it is.

    The paper advises windows from the square root of the returns a year to all returns of a year.
    """
    for name, (a_day, window) in FREQUENCIES.items():
        n = 365 * a_day
        yield name, window, 252 * a_day, "paper"
        yield name, math.ceil(math.sqrt(n)), n, "365 days, least"
        yield name, n, n, "365 days, most"


def batched(run: Callable[[int], np.ndarray | float]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of `run(seed)` over independent seeds, and its standard error."""
    values = np.array([run(seed) for seed in range(BATCHES)])
    return values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(BATCHES)


def size_table(draws: int = 600_000) -> pd.DataFrame:
    """Spurious flags in a million returns; `draws` for each of eight batches."""
    rows = []
    for name, window, n, source in settings():
        for alpha in ALPHAS:
            row = {"frequency": name, "setting": source, "window": window, "n": n, "alpha": alpha}
            row["nominal"] = -1e6 * math.expm1(math.log1p(-alpha) / n)
            for side, inside in (("outside", False), ("inside", True)):
                options = {"window": window, "alpha": alpha, "n_tests": n, "draws": draws}
                rate, error = batched(
                    lambda seed, options=options, inside=inside: spurious_rate(
                        include_current=inside, seed=seed, **options
                    )
                )
                row |= {side: 1e6 * rate, f"{side}_se": 1e6 * error}
            rows.append(row | KNOWN.get((name, window, alpha), {}))
    return pd.DataFrame(rows)


def power_table(draws: int = 100_000, alpha: float = 0.01) -> pd.DataFrame:
    """Share of jumps found, percent, by size in sigmas of one return and in daily sigmas.

    `most_se` is the largest standard error in the row.
    """
    rows = []
    for name, window, n, source in settings():
        a_day = FREQUENCIES[name][0]
        for unit, scale in (("one return", 1.0), ("day", math.sqrt(a_day))):
            for side, inside in (("outside", False), ("inside", True)):
                if unit == "day" and (inside or a_day == 1):
                    continue
                options = {"window": window, "alpha": alpha, "n_tests": n, "draws": draws}
                power, error = batched(
                    lambda seed, options=options, inside=inside, scale=scale: detection_power(
                        scale * np.array(SIZES), include_current=inside, seed=seed, **options
                    )
                )
                row = {"frequency": name, "setting": source, "window": window, "return": side}
                row |= {"sigmas_of": unit, **dict(zip(SIZES, 100 * power, strict=True))}
                rows.append(row | {"most_se": 100 * error.max()})
    return pd.DataFrame(rows)


def family_table(families: int = 5_000, draws: int = 600_000) -> pd.DataFrame:
    """Chance of any flag in a year of hours without jumps, percent; and if tests were independent.

    The largest window is long beside the family: it shows what is left when `s` is all but known.
    """
    parts = []
    for window in FAMILY_WINDOWS:
        for side, inside in (("outside", False), ("inside", True)):
            if inside and window != FAMILY_WINDOWS[0]:
                continue
            options = {"window": window, "n_tests": YEAR, "include_current": inside}
            found = family_error((*ALPHAS, 0.10), families=families, **options)
            rates, errors = batched(
                lambda seed, options=options, levels=tuple(found["alpha"]): np.array(
                    [spurious_rate(alpha=a, draws=draws, seed=seed, **options) for a in levels]
                )
            )
            part = pd.DataFrame({"window": window, "return": side, "alpha": found["alpha"]})
            part["error_pct"] = 100 * found["error"]
            part["se"] = 100 * found["standard_error"]
            part["independent_pct"] = 100 * (1 - (1 - rates) ** YEAR)
            part["independent_se"] = 100 * YEAR * (1 - rates) ** (YEAR - 1) * errors
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def week_pattern(amplitude: float) -> np.ndarray:
    """Factor of each hour of the week: daily wave, calm weekend, one busy hour; mean square 1."""
    hour, day = np.arange(168) % 24, np.arange(168) // 24
    shape = np.cos(2 * np.pi * (hour - 15) / 24) - (day >= 5) + 2.0 * (hour == 8)
    factors = np.exp(amplitude * (shape - shape.mean()) / shape.std())
    return factors / math.sqrt(np.mean(factors**2))


def calendar_market(
    amplitude: float, with_jumps: bool, rng: np.random.Generator
) -> tuple[pd.Series, np.ndarray]:
    """Gaussian hourly returns with a weekly pattern of volatility, and which of them jump."""
    n = CALENDAR_YEARS * YEAR
    times = pd.date_range("2020-01-06 01:00", periods=n, freq="h", tz="UTC")
    factor = periodicity_factor(pd.Series(week_pattern(amplitude)), times)
    jumps = (rng.random(n) < JUMP_SHARE) & with_jumps
    sizes = rng.uniform(*JUMP_SIGMAS, n) * rng.choice([-1.0, 1.0], n)
    values = factor * rng.standard_normal(n) + np.where(jumps, sizes, 0.0)
    return pd.Series(values, index=times), jumps


def calendar_flags(returns: pd.Series, amplitude: float) -> dict[str, np.ndarray]:
    """Flags of the second half: plain, by factors of the first half, by the true factors."""
    half = len(returns) // 2
    factors = {"plain": None}
    for name, hours in (("by day", 24), ("by week", 168)):
        factors[name] = periodicity_wsd(returns[:half], 168, standardise_hours=hours)
    factors["true factors"] = pd.Series(week_pattern(amplitude))
    flags = {}
    for name, table in factors.items():
        by_hour = None if table is None else periodicity_factor(table, returns.index)
        test = lee_mykland(returns, window=94, alpha=0.01, n_tests=YEAR, periodicity=by_hour)
        flags[name] = test["is_jump"].fillna(False).to_numpy(dtype=bool)[half:]
    return flags


def calendar_table(markets: int = 20, seed: int = 0) -> pd.DataFrame:
    """Flags a year without jumps; precision and recall with them, percent; standard errors.

    Standard errors come from the spread over markets.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for pattern, amplitude in AMPLITUDES.items():
        for _ in range(markets):
            calm, _ = calendar_market(amplitude, False, rng)
            returns, jumps = calendar_market(amplitude, True, rng)
            truth = jumps[len(jumps) // 2 :]
            with_jumps = calendar_flags(returns, amplitude)
            for method, flag in calendar_flags(calm, amplitude).items():
                found = with_jumps[method]
                row = {"pattern": pattern, "method": method}
                row["false_a_year"] = flag.sum() / (CALENDAR_YEARS / 2)
                row["flags_a_year"] = found.sum() / (CALENDAR_YEARS / 2)
                row["precision"] = 100 * (found & truth).sum() / found.sum()
                rows.append(row | {"recall": 100 * (found & truth).sum() / truth.sum()})
    return mean_and_error(pd.DataFrame(rows), ["pattern", "method"])


def threshold_flags(jumps: pd.DataFrame) -> dict[str, np.ndarray]:
    """Flags of the same statistics under other levels, families and rules."""
    size = jumps["statistic"].abs().to_numpy()
    p_values = normal_p_values(size)
    flags = {
        f"alpha {alpha:g}, n {n:,}": size > critical_value(alpha, n)
        for alpha, n in (
            *((0.001, YEAR), (0.01, YEAR), (0.05, YEAR), (0.2, YEAR)),
            *((0.01, 24), (0.01, 168), (0.01, 720), (0.01, MARKET_HOURS)),
        )
    }
    flags |= {f"false discovery rate {q:g}": benjamini_hochberg(p_values, q) for q in (0.01, 0.1)}
    return flags | {f"universal, n {n:,}": universal_threshold(size, n) for n in (720, YEAR)}


def market_panel(seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Panel of one simulated market and the log size of the jump in each hour."""
    market = simulate_market(SimulatedParams(hours=MARKET_HOURS, seed=seed))
    dvol, truth = market["dvol"], market["true_jumps"].set_index("timestamp")["jump_size"]
    times = pd.to_datetime(dvol["timestamp"] + 3_600_000, unit="ms", utc=True)
    panel = pd.DataFrame({"time": times, "asset": "BTC", "imputed": False})
    panel["dvol_close"] = dvol["dvol_close"]
    return panel, truth.reindex(dvol["timestamp"], fill_value=0.0).to_numpy()


def settings_table(markets: int = 6, large: float = 0.05) -> pd.DataFrame:
    """Precision and recall, percent, in the second half of simulated markets; standard errors.

    A jump is found when its own hour is flagged; `recall_large` is that of jumps from `large` (log)
    up. `alpha 0.01 by week` divides by factors of the first half.
    """
    rows = []
    for seed in range(markets):
        panel, jump = market_panel(seed)
        half = MARKET_HOURS // 2
        factors = panel_periodicity(
            panel, 168, before=panel["time"].iloc[half], standardise_hours=168
        )
        for window in SETTING_WINDOWS:
            params = JumpParams(window=window, alpha=0.01, n_tests=YEAR)
            flags = threshold_flags(detect_jumps(panel, params)[half:])
            by_week = detect_jumps(panel, params, periodicity=factors)["is_jump"][half:]
            flags["alpha 0.01 by week"] = by_week.to_numpy()
            true = jump[half:] != 0
            big = np.abs(jump[half:]) >= large
            for rule, flag in flags.items():
                row = {"rule": rule, "window": window, "flagged": 100 * flag.mean()}
                row["precision"] = 100 * (flag & true).sum() / max(flag.sum(), 1)
                row["recall"] = 100 * (flag & true).sum() / true.sum()
                rows.append(row | {"recall_large": 100 * (flag & big).sum() / big.sum()})
    return mean_and_error(pd.DataFrame(rows), ["rule", "window"])


def mean_and_error(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean of each column over the rows of a group, with its standard error beside it."""
    groups = rows.groupby(by, sort=False)
    mean, error = groups.mean(), groups.sem().add_suffix("_se")
    order = [name for column in mean for name in (column, f"{column}_se")]
    return mean.join(error)[order].reset_index()


def show(title: str, table: pd.DataFrame, digits: int = 1) -> None:
    text = table.to_string(index=False, float_format=f"{{:,.{digits}f}}".format, na_rep="")
    print(f"\n{title}\n{text}", flush=True)


def by_window(table: pd.DataFrame) -> pd.DataFrame:
    """`settings_table` with one column per window: precision / recall / recall of large jumps."""
    shown = [table[name].map("{:.0f}".format) for name in ("precision", "recall", "recall_large")]
    cells = table[["rule", "window"]].assign(text=shown[0].str.cat(shown[1:], sep=" / "))
    wide = cells.set_index(["rule", "window"])["text"].unstack()  # noqa: PD010
    return wide.loc[table["rule"].unique()].reset_index()


def main(draws: float, markets: int) -> None:
    sizes = size_table(round(600_000 * draws))
    sizes["alpha"] = sizes["alpha"].map("{:.0%}".format)
    show("Size: spurious flags in a million returns, return outside or inside its window", sizes, 2)
    show("Power: jumps found, percent, by size; alpha 1 %", power_table(round(100_000 * draws)))
    families = family_table(round(5_000 * draws), round(600_000 * draws))
    families["alpha"] = families["alpha"].map("{:.0%}".format)
    show("Any flag in a year of 8,760 hours without jumps, percent", families, 2)
    calendar = calendar_table(max(round(20 * draws), 2))
    show("Calendar: flags a year without jumps; precision and recall with them, percent", calendar)
    found = settings_table(markets)
    errors = found[["precision_se", "recall_se", "recall_large_se"]].max()
    show(
        f"{markets} simulated markets, by window: precision / recall / recall of jumps of 5 % and "
        f"more, percent; standard errors at most {errors.iloc[0]:.1f}, {errors.iloc[1]:.1f}, "
        f"{errors.iloc[2]:.1f}",
        by_window(found),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=float, default=1.0, help="times the default draws")
    parser.add_argument("--markets", type=int, default=6, help="simulated markets")
    arguments = parser.parse_args()
    main(arguments.draws, arguments.markets)
