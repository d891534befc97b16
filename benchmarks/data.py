"""Seconds and memory to read, check and align raw files, hourly and of one minute.

    python benchmarks/data.py [--years 5] [--minutes 2400000]

The files come from the simulated market, in a temporary folder; minutes wander between the hours'
opens and closes. Each measurement runs in a fresh process; seconds leave the imports out.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from dvol_utils.data.panel import build_panel
from dvol_utils.data.raw.schemas import SCHEMAS
from dvol_utils.data.raw.store import series_path
from dvol_utils.data.simulated.market import simulate_market, write_store
from dvol_utils.study.data_section import DataParams

HOUR_MS, MINUTE_MS = 3_600_000, 60_000
MINUTE = DataParams(source="raw_store", frequency_minutes=1)


def minute_bars(hours: pd.DataFrame, names: tuple[str, ...], decimals: int) -> pd.DataFrame:
    """Sixty bars for each hour, on a bridge from its open to its close."""
    rng = np.random.default_rng(0)
    part = np.arange(1, 61) / 60
    opened, close = (hours[name].to_numpy()[:, None] for name in (names[0], names[3]))
    walk = np.cumsum(rng.standard_normal((len(hours), 60)), axis=1)
    bridge = 1e-4 * close * (walk - part * walk[:, -1:])
    closes = np.round(opened + part * (close - opened) + bridge, decimals).ravel()
    opens = np.concatenate((closes[:1], closes[:-1]))
    stamps = hours["timestamp"].to_numpy()[:, None] + MINUTE_MS * np.arange(60)
    bars = (opens, np.maximum(opens, closes), np.minimum(opens, closes), closes)
    return pd.DataFrame({"timestamp": stamps.ravel(), **dict(zip(names, bars, strict=True))})


def write_hours(folder: str, hours: str) -> None:
    write_store(folder, DataParams(assets=["BTC", "ETH"], simulated={"hours": int(hours)}))


def write_minutes(folder: str, rows: str) -> None:
    minutes = int(rows)
    params = DataParams(simulated={"hours": -(-minutes // 60)})
    market = simulate_market(params.simulated)
    for series, table in market.items():
        if series in ("dvol", "price"):
            held = table.tail(params.simulated.hours)
            bars = minute_bars(held, SCHEMAS[series].bars, 2)
            if series == "price":
                bars["quote_volume"] = np.repeat(held["quote_volume"].to_numpy() / 60, 60).round()
            bars.head(minutes).to_csv(series_path(folder, "BTC", series, MINUTE), index=False)
        elif series in SCHEMAS:
            table.to_csv(series_path(folder, "BTC", series), index=False)


def measure(folder: str, assets: str, minutes: str) -> None:
    params = DataParams(
        source="raw_store", assets=assets.split(","), frequency_minutes=int(minutes)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    panel = build_panel(folder, params)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{len(panel):>9,} panel rows  {seconds:6.2f} s  peak memory {peak / 1024:6,.0f} MiB, "
        f"{before / 1024:,.0f} MiB of it before"
    )


def fresh(option: str, *values: object) -> None:
    """This file in a process of its own: a child's peak memory begins with its parent's."""
    subprocess.run([sys.executable, __file__, option, *map(str, values)], check=True)


def report(title: str, folder: Path, assets: str, minutes: int) -> None:
    size = sum(file.stat().st_size for file in folder.glob("*.csv")) / 2**20
    print(f"{title}: {size:,.0f} MiB of CSV", flush=True)
    for _ in range(3):
        fresh("--measure", folder, assets, minutes)


def main(years: float, minutes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fresh("--write-hours", folder, int(8_760 * years))
        report(f"{years:g} years of hours, 2 assets, every series", Path(folder), "BTC,ETH", 60)
    with tempfile.TemporaryDirectory() as folder:
        fresh("--write-minutes", folder, minutes)
        report(f"{minutes:,} minutes, DVOL and price of 1 asset", Path(folder), "BTC", 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--years", type=float, default=5)
    parser.add_argument("--minutes", type=int, default=2_400_000)
    for option, values in (("--measure", 3), ("--write-hours", 2), ("--write-minutes", 2)):
        parser.add_argument(option, nargs=values, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
    elif arguments.write_hours:
        write_hours(*arguments.write_hours)
    elif arguments.write_minutes:
        write_minutes(*arguments.write_minutes)
    else:
        main(arguments.years, arguments.minutes)
