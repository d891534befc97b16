from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.stylised import REFERENCE_FACTS, stylised_facts
from dvol_utils.jumps import detect_jumps
from dvol_utils.study.data_section import DataParams
from dvol_utils.study.fitting_section import JumpParams

REAL = Path(__file__).parents[2] / "shared/data"
WEEK = {5: 0.5, 6: 0.4}  # activity on Saturdays and Sundays, 1 on other days


def made_up(hours: int = 24 * 7 * 6, seed: int = 0, lag_hours: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    time = pd.date_range("2022-01-03 01:00", periods=hours, freq="h", tz="UTC")
    day = (time - pd.Timedelta(hours=24 + lag_hours)).day_of_week
    activity = pd.Series(day).map(WEEK).fillna(1.0)
    return pd.DataFrame(
        {
            "time": time,
            "asset": "BTC",
            "dvol_close": 60 * np.exp(np.cumsum(0.01 * rng.standard_normal(hours))),
            "price_close": 30_000 * np.exp(np.cumsum(0.006 * rng.standard_t(4, hours))),
            "transfer_volume_usd": 5e9 * activity,
            "active_addresses": 9e5 * activity,
            "imputed": False,
        }
    )


def values(panel: pd.DataFrame, *args, **kwargs) -> pd.Series:
    return stylised_facts(panel, *args, **kwargs).set_index("statistic")["value"]


def test_figures_equal_a_literal_computation():
    panel = made_up()
    facts = values(panel)
    level = [float(np.log(value)) for value in panel["dvol_close"]]
    price = [float(np.log(value)) for value in panel["price_close"]]
    change = [b - a for a, b in pairwise(level)]
    returns = [b - a for a, b in pairwise(price)]

    def correlation(x, y):
        mx, my = sum(x) / len(x), sum(y) / len(y)
        cov = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
        return cov / (sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)) ** 0.5

    size = [abs(value) for value in change]
    expected = {
        "DVOL mean, points": sum(panel["dvol_close"]) / len(panel),
        "autocorrelation of log DVOL, 24 h": correlation(level[24:], level[:-24]),
        "autocorrelation of absolute changes, 1 h": correlation(size[1:], size[:-1]),
        "168-hour change sd, log": float(
            np.std([b - a for a, b in zip(level[:-168], level[168:], strict=True)], ddof=1)
        ),
        "correlation of change and price return": correlation(change, returns),
        "correlation of change and absolute price return": correlation(
            change, [abs(value) for value in returns]
        ),
    }
    # The panel starts on a Monday 01:00: bar k opens at hour k % 24.
    at_eight = [1e4 * c for k, c in enumerate(change, start=1) if k % 24 == 8]
    expected["mean change of the bar from 08:00, bp"] = sum(at_eight) / len(at_eight)
    thursdays = [
        100 * (level[k + 24] - level[k]) for k in range(len(level) - 24) if (k + 1) // 24 % 7 == 3
    ]
    expected["mean 24-hour change from Thursday, %"] = sum(thursdays) / len(thursdays)
    for name, value in expected.items():
        assert facts[name] == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("lag_hours", [0, 12, 30])
def test_onchain_values_count_for_the_day_they_belong_to(lag_hours):
    facts = values(made_up(lag_hours=lag_hours), publication_lag_hours=lag_hours)
    for name in ("transfers", "active addresses"):
        saturday, sunday = (facts[f"{name} on {day}, relative"] for day in ("Saturdays", "Sundays"))
        assert saturday / sunday == pytest.approx(0.5 / 0.4)
        assert saturday == pytest.approx(0.5 * 7 / (5 + 0.5 + 0.4), rel=0.02)


def test_jump_figures():
    panel = made_up(hours=24 * 28)
    flag, size = np.zeros(len(panel), bool), np.zeros(len(panel))
    for hour, value in ((100, 0.04), (110, 0.06), (300, -0.10), (500, 0.05)):
        flag[hour], size[hour] = True, value
    jumps = pd.DataFrame({"is_jump": flag, "jump_size": size})
    facts = values(panel, jumps)
    assert facts["jumps, % of hours"] == pytest.approx(100 * 4 / 672)
    assert facts["jumps upward, % of jumps"] == 75
    assert facts["jump size median, %"] == pytest.approx(5.5)
    near = (24 + 10 + 24 + 24, 1)  # hours within a day after a jump; jumps among them
    expected = (near[1] / near[0]) / (4 / 672)
    name = "jump frequency within a day of another, relative"
    assert facts[name] == pytest.approx(expected)
    assert not [name for name in values(panel).index if name.startswith("jump")]


def test_imputed_hours_do_not_count_as_quiet_hours():
    panel = made_up()
    whole = values(panel)["hourly change sd, log"]
    panel.loc[200:220, "dvol_close"] = panel.loc[199, "dvol_close"]
    panel.loc[200:220, "imputed"] = True
    change = np.log(panel["dvol_close"]).diff()
    kept = change.drop(index=range(200, 222))
    assert values(panel)["hourly change sd, log"] == pytest.approx(kept.std())
    assert values(panel)["hourly change sd, log"] != pytest.approx(whole, rel=1e-6)


def test_empty_columns_give_missing_figures():
    panel = made_up().assign(price_close=np.nan, transfer_volume_usd=np.nan)
    facts = values(panel)
    missing = facts[facts.isna()].index.tolist()
    assert missing == [
        "price return sd, hourly log",
        "price return kurtosis",
        "correlation of change and price return",
        "correlation of change and absolute price return",
        "transfers on Saturdays, relative",
        "transfers on Sundays, relative",
    ]


def test_several_assets_and_unaligned_jumps_are_refused():
    panel = made_up(hours=200)
    both = pd.concat([panel, panel.assign(asset="ETH")])
    with pytest.raises(ValueError, match="found assets BTC, ETH; should be one asset"):
        stylised_facts(both)
    with pytest.raises(ValueError, match="jumps has 3 rows; should be the panel's 200"):
        stylised_facts(panel, pd.DataFrame({"is_jump": [True] * 3, "jump_size": 0.1}))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data here")
def test_reference_figures_are_those_of_the_real_files():
    panel = build_panel(REAL, DataParams(source="raw_store"))
    facts = stylised_facts(panel, detect_jumps(panel, JumpParams()))
    assert facts["statistic"].tolist() == list(REFERENCE_FACTS)
    assert facts["bitcoin"].tolist() == list(REFERENCE_FACTS.values())
    np.testing.assert_allclose(facts["value"], facts["bitcoin"], rtol=5e-3, atol=0.005)
