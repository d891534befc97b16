"""Speed of the jump test beside a plain loop, and its true rate of false alarms.

    python benchmarks/jumps.py [--families 500]

The second part simulates families of Gaussian returns without a jump and counts those in which the
test flags any; `spurious_rate` gives the same for independent tests by integration.
"""

import argparse
import math
import time
import tracemalloc

import numpy as np

from dvol_utils.jumps import critical_value, lee_mykland, spurious_rate

WINDOW, ALPHA = 94, 0.01
# window, n_tests, alpha: a year of 365 days of 24 hours, and one of 252 days
SETTINGS = ((94, 8_760, 0.01), (78, 6_048, 0.01), (78, 6_048, 0.05))


def plain_loop(returns: np.ndarray) -> int:
    limit, flags = critical_value(ALPHA, len(returns)), 0
    for i in range(WINDOW - 1, len(returns)):
        total = 0.0
        for j in range(i - WINDOW + 2, i):
            total += abs(returns[j]) * abs(returns[j - 1])
        flags += abs(returns[i]) > limit * math.sqrt(total / (WINDOW - 2))
    return flags


def _seconds(values: np.ndarray) -> float:
    start = time.perf_counter()
    lee_mykland(values, window=WINDOW, alpha=ALPHA)
    return time.perf_counter() - start


def speed() -> None:
    rng = np.random.default_rng(0)
    returns = rng.standard_normal(10_000).tolist()
    start = time.perf_counter()
    plain_loop(returns)
    loop = (time.perf_counter() - start) / len(returns)
    print(f"plain loop  {len(returns):>10,} returns  {1e9 * loop:>9,.0f} ns a return")
    for n in (100_000, 1_000_000, 10_000_000):
        values = rng.standard_normal(n)
        seconds = min(_seconds(values) for _ in range(3))
        tracemalloc.start()
        lee_mykland(values, window=WINDOW, alpha=ALPHA)
        memory = tracemalloc.get_traced_memory()[1] / n
        tracemalloc.stop()
        print(
            f"lee_mykland {n:>10,} returns  {1e9 * seconds / n:>9,.0f} ns a return  "
            f"{seconds:6.2f} s  {memory:4.0f} bytes a return at most  "
            f"{loop * n / seconds:,.0f} times the loop's speed"
        )


def size(families: int) -> None:
    print(f"\nfalse alarms, Gaussian returns, {families:,} families each (standard error beside)")
    for window, n, alpha in SETTINGS:
        for inside in (False, True):
            options = {"window": window, "alpha": alpha, "n_tests": n, "include_current": inside}
            counts = np.array(
                [
                    lee_mykland(np.random.default_rng(k).standard_normal(n), **options)[
                        "is_jump"
                    ].sum()
                    for k in range(families)
                ]
            )
            share = (counts > 0).mean()
            error = math.sqrt(share * (1 - share) / families)
            rate = spurious_rate(**options, draws=8_000_000)
            print(
                f"K {window}, n {n:,}, nominal {alpha:.0%}, return "
                f"{'in' if inside else 'out of':>6} its window: family {share:.1%} ± {error:.1%}, "
                f"one return "
                f"{counts.mean() / n:.2e}; integrated {1 - (1 - rate) ** n:.1%}, {rate:.2e}"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", type=int, default=500)
    arguments = parser.parse_args()
    speed()
    size(arguments.families)
