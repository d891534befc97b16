"""Quantiles against a slow literal transcription, and what they must keep to."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from dvol_utils.evaluation import average_seeds, check_forecasts, coverage
from dvol_utils.evaluation.forecast_table import QUANTILES
from dvol_utils.forecasting.intervals import _adapted, add_quantiles, forecast_width
from dvol_utils.samples.samples import Samples
from dvol_utils.study.judging_section import UncertaintyParams

NAMES = list(QUANTILES)
HORIZON = 24
PLAIN = UncertaintyParams(
    past_days=30, half_life_days=10, min_errors=72, learning_rate=0.2, jump_learning_rate=0.5
)


def samples_of(dvol: np.ndarray, *, asset: str = "BTC", levels: bool = False) -> Samples:
    """Samples that hold what quantiles need: hours and levels."""
    hours = len(dvol)
    none = np.zeros(hours)
    return Samples(
        asset=asset,
        times=pd.date_range("2022-01-01 05:00", periods=hours, freq="h", tz="UTC"),
        horizon=HORIZON,
        features=pd.DataFrame(),
        dvol=dvol,
        scale=none,
        target=none,
        outcome=none,
        split=none,
        complete=none,
        scored=none,
        jump_regime=none,
        level_regime=none,
        location=dvol if levels else None,
    )


def market(hours: int = 2_400, seed: int = 0) -> np.ndarray:
    return 60 * np.exp(np.cumsum(0.003 * np.random.default_rng(seed).standard_normal(hours)))


def table_of(
    samples: Samples, first: int = 800, *, model: str = "har", seed: int = 0, noise: float = 0.01
) -> pd.DataFrame:
    """Forecasts at every hour from row `first` on; outcomes beyond the data are missing."""
    rows = np.arange(first, len(samples.times))
    origin = samples.times[rows]
    outcome = np.append(samples.dvol, np.full(HORIZON, np.nan))[rows + HORIZON]
    rng = np.random.default_rng(seed + 7)
    forecast = samples.dvol[rows] * np.exp(noise * rng.standard_normal(len(rows)))
    return pd.DataFrame(
        {
            "asset": samples.asset,
            "origin": origin,
            "target_time": origin + pd.Timedelta(hours=HORIZON),
            "horizon_hours": HORIZON,
            "model": model,
            "seed": seed,
            "fold": 0,
            "split": "test",
            "y_true": outcome,
            "y_pred": forecast,
            "y_origin": samples.dvol[rows],
            "jump_regime": np.where(rows // 36 % 4, "normal", "jump"),
            "level_regime": "low",
        }
    )


SAMPLES = samples_of(market())
TABLE = table_of(SAMPLES)


def literal_width(dvol: np.ndarray, row: int) -> float:
    """The width at a row, hour by hour."""
    change = [abs(np.log(dvol[i] / dvol[i - 1])) for i in range(1, row + 1)]
    usual, recent = np.mean(change[-720:]), np.mean(change[-24:])
    ratio = min(max(recent / usual, 1 / 3), 3)
    return np.sqrt(HORIZON) * usual * ratio**0.4


def literal_quantiles(
    table: pd.DataFrame, samples: Samples, params: UncertaintyParams
) -> np.ndarray:
    """The method as its notes have it, origin by origin, for one model and seed."""
    levels = samples.location is not None
    start = samples.times.get_loc(table["origin"].iloc[0])
    widths = [literal_width(samples.dvol, start + i) for i in range(len(table))]
    rows = list(table.itertuples())
    error = []
    for row, width in zip(rows, widths, strict=True):
        if levels:
            error.append((row.y_true - row.y_pred) / (width * row.y_origin))
        else:
            error.append(np.log(row.y_true / row.y_pred) / width)
    scaled: list[list[float] | None] = []
    rates = {"normal": params.learning_rate, "jump": params.jump_learning_rate}
    level = {(regime, name): name / 100 for regime in rates for name in (50, 90)}
    midnight, judged = None, set()
    for row in rows:
        if midnight != row.origin.floor("D"):
            midnight = row.origin.floor("D")
            known = [
                j
                for j, other in enumerate(rows)
                if other.target_time <= midnight and np.isfinite(error[j])
            ]
            missed = dict.fromkeys(level, 0.0)
            for j in known:
                if j in judged:
                    continue
                judged.add(j)
                if scaled[j] is not None:
                    q05, q25, _, q75, q95 = scaled[j]
                    regime = rows[j].jump_regime
                    missed[regime, 50] += 0.5 - (q25 <= error[j] <= q75)
                    missed[regime, 90] += 0.9 - (q05 <= error[j] <= q95)
            for regime, name in level:
                moved = level[regime, name] + rates[regime] * missed[regime, name] / 24
                level[regime, name] = min(max(moved, 0.0), 1.0)
            used = [
                j
                for j in known
                if rows[j].target_time > midnight - pd.Timedelta(days=params.past_days)
            ]
        if len(used) < params.min_errors:
            scaled.append(None)
            continue
        ages = [(midnight - rows[j].target_time) / pd.Timedelta(days=1) for j in used]
        weight = np.array([2 ** (-age / params.half_life_days) for age in ages])
        order = np.argsort([error[j] for j in used])
        share = np.cumsum(weight[order]) / weight.sum()
        outer, inner = ((1 - level[row.jump_regime, name]) / 2 for name in (90, 50))
        found = []
        for probability in (outer, inner, 0.5, 1 - inner, 1 - outer):
            place = next((k for k, s in enumerate(share) if s >= probability - 1e-12), -1)
            found.append(error[used[order[place]]])
        scaled.append(sorted(found))
    out = []
    for row, width, found in zip(rows, widths, scaled, strict=True):
        steps = np.full(5, np.nan) if found is None else np.array(found) * width
        out.append(row.y_pred + steps * row.y_origin if levels else row.y_pred * np.exp(steps))
    return np.array(out)


@pytest.mark.parametrize("levels", [False, True])
def test_quantiles_are_those_of_the_slow_transcription(levels):
    samples = samples_of(market(1_150), levels=levels)
    table = table_of(samples)
    table.loc[[100, 101, 250], "y_true"] = np.nan  # outcomes that were never known
    found = add_quantiles(table, samples, PLAIN)[NAMES].to_numpy()
    expected = literal_quantiles(table, samples, PLAIN)
    assert np.isnan(expected[:96]).all()
    assert np.isfinite(expected[-200:]).all()
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_width_mixes_the_usual_move_with_that_of_the_last_day():
    dvol = market(1_000)
    width = forecast_width(dvol, HORIZON)
    assert np.isnan(width[:360]).all()
    for row in (400, 719, 760, 999):
        assert width[row] == pytest.approx(literal_width(dvol, row))


def test_a_wild_or_a_silent_day_moves_the_width_within_limits():
    dvol = market(1_000)
    silent = dvol.copy()
    silent[960:] = silent[960]
    wild = dvol * np.where(np.arange(1_000) >= 976, 2.0 ** (np.arange(1_000) % 2), 1.0)
    change = np.abs(np.diff(np.log(silent)))[-720:].mean()
    assert forecast_width(silent, 1)[-1] == pytest.approx(change * 3**-0.4)
    change = np.abs(np.diff(np.log(wild)))[-720:].mean()
    assert forecast_width(wild, 1)[-1] == pytest.approx(change * 3**0.4)
    assert np.isnan(forecast_width(np.full(1_000, 60.0), 1)).all()


def test_the_table_keeps_its_rows_and_its_order():
    shuffled = TABLE.sample(frac=1, random_state=0)
    found = add_quantiles(shuffled, SAMPLES, PLAIN)
    pd.testing.assert_frame_equal(found[TABLE.columns], shuffled)
    straight = add_quantiles(TABLE, SAMPLES, PLAIN)
    pd.testing.assert_frame_equal(found.sort_index(), straight)
    check_forecasts(straight.dropna(subset=["y_true"]))


def test_models_seeds_and_assets_do_not_touch_each_other():
    other = samples_of(market(seed=5), asset="ETH")
    parts = [
        TABLE,
        table_of(SAMPLES, model="persistence", noise=0.0),
        table_of(SAMPLES, seed=1),
        table_of(other),
    ]
    found = add_quantiles(pd.concat(parts, ignore_index=True), [SAMPLES, other], PLAIN)
    alone = [add_quantiles(part, known, PLAIN) for part, known in
             zip(parts, [SAMPLES, SAMPLES, SAMPLES, other], strict=True)]  # fmt: skip
    pd.testing.assert_frame_equal(found, pd.concat(alone, ignore_index=True), check_exact=True)


def test_rows_whose_outcome_is_not_known_get_quantiles_and_move_no_others():
    ahead = TABLE["y_true"].isna()
    assert ahead.sum() == HORIZON
    found = add_quantiles(TABLE, SAMPLES, PLAIN)
    assert found.loc[ahead, NAMES].notna().all(axis=None)
    without = add_quantiles(TABLE[~ahead], SAMPLES, PLAIN)
    pd.testing.assert_frame_equal(found[~ahead], without, check_exact=True)


def test_exchangeable_errors_are_covered_as_often_as_said():
    rng = np.random.default_rng(1)
    samples = samples_of(market(20_000))
    table = table_of(samples, noise=0.0)
    width = forecast_width(samples.dvol, HORIZON)[800:]
    table["y_true"] = table["y_pred"] * np.exp(width * rng.standard_t(4, len(table)))
    found = coverage(add_quantiles(table, samples, UncertaintyParams())).iloc[0]
    for name, probability in QUANTILES.items():  # one standard error is at most 0.003
        assert found[f"below_{name[1:]}"] == pytest.approx(probability, abs=0.012)
    assert found["covered_90"] == pytest.approx(0.9, abs=0.009)
    assert found["covered_50"] == pytest.approx(0.5, abs=0.012)


def test_coverage_comes_back_after_errors_have_doubled():
    """Errors twice as wide for ever, with a width that does not see it: levels and errors do."""
    rng = np.random.default_rng(2)
    samples = samples_of(market(16_000))
    table = table_of(samples, noise=0.0)
    width = forecast_width(samples.dvol, HORIZON)[800:]
    doubled = np.arange(len(table)) >= 8_000
    error = np.where(doubled, 2.0, 1.0) * rng.standard_normal(len(table))
    table["y_true"] = table["y_pred"] * np.exp(width * error)

    def covered(rate: float, hours: slice) -> float:
        made = add_quantiles(table, samples, UncertaintyParams(learning_rate=rate))
        return float(coverage(made.iloc[hours])["covered_90"].iloc[0])

    soon, later = slice(8_000, 8_240), slice(9_200, 10_400)
    assert covered(0.05, soon) < 0.75
    assert covered(0.05, later) == pytest.approx(0.9, abs=0.02)
    assert covered(0.0, later) < 0.87


def test_a_level_moves_by_the_share_that_its_interval_missed():
    """Of five outcomes one has no quantiles and one is unknown; the others count, by hand."""
    five = [-2.0, -1.0, 0.0, 1.0, 2.0]
    quantiles = np.array([five, five, [np.nan] * 5, five, five])
    errors = np.array([1.5, 3.0, 0.0, np.nan, 0.5])
    regime = np.array([0, 0, 0, 0, 1])
    level, rates = np.array([[[0.5, 0.9], [0.5, 0.9]]]), np.array([0.24, 0.48])
    errors, quantiles = errors[None], quantiles[None]  # of one series
    # Normal hours inside 50 %: 0, 0; inside 90 %: 1, 0. The jump hour is inside both.
    moved = _adapted(level, errors, quantiles, regime, rates)
    normal = [0.5 + 0.01 * (0.5 + 0.5), 0.9 + 0.01 * (-0.1 + 0.9)]
    np.testing.assert_allclose(moved[0], [normal, [0.5 - 0.02 * 0.5, 0.9 - 0.02 * 0.1]])
    unjudged = _adapted(level, errors[:, 2:4], quantiles[:, 2:4], regime[2:4], rates)
    np.testing.assert_allclose(unjudged, level)
    far = _adapted(level, errors, quantiles, regime, 1_000 * rates)
    np.testing.assert_allclose(far[0], [[1, 1], [0, 0]])


def test_a_missed_day_widens_intervals_from_the_midnight_on_at_which_it_is_known():
    params = UncertaintyParams(
        min_errors=24, half_life_days=1e6, learning_rate=0.2, jump_learning_rate=0.0
    )
    samples = samples_of(market(24 * 80))
    first = 763  # the first origin of a day, so that all of a day's become known together
    assert samples.times[first].hour == 0
    table = table_of(samples, first, noise=0.0).iloc[: 24 * 30].assign(jump_regime="normal")
    width = forecast_width(samples.dvol, HORIZON)[first : first + len(table)]
    steps = np.tile(np.linspace(-1, 1, 24), 30)
    steps[24 * 10 : 24 * 11] = 9.0  # no interval holds this day
    table["y_true"] = table["y_pred"] * np.exp(width * steps)
    made = add_quantiles(table, samples, params)
    upper = (np.log(made["q95"] / made["y_pred"]) / width).to_numpy().reshape(30, 24)
    assert (upper[2:12] <= 1).all()  # its targets lie in day 11: at midnight before day 12 all but
    np.testing.assert_allclose(upper[12], 9.0)  # none is known


@pytest.mark.parametrize("value", [0.0, 0.02])
def test_errors_that_are_all_the_same_give_one_point(value):
    table = TABLE.assign(y_pred=SAMPLES.dvol[800:] * 1.0)
    width = forecast_width(SAMPLES.dvol, HORIZON)[800:]
    table["y_true"] = table["y_pred"] * np.exp(value * width)
    found = add_quantiles(table, SAMPLES, PLAIN).dropna(subset=NAMES)
    assert len(found) > 1_000
    for name in NAMES:
        np.testing.assert_allclose(found[name], found["y_true"], rtol=1e-12)


def test_too_few_errors_leave_quantiles_missing():
    patient = PLAIN.model_copy(update={"min_errors": 500})
    found = add_quantiles(TABLE, SAMPLES, patient)
    missing = found[NAMES].isna().all(axis="columns")
    assert (missing == found[NAMES].isna().any(axis="columns")).all()
    # Row 500 + 24 is the first with 500 errors known; quantiles change at midnight.
    first = (TABLE["origin"].iloc[0] + pd.Timedelta(hours=500 + 24 - 1)).ceil("D")
    assert found.loc[~missing, "origin"].iloc[0] == first
    assert add_quantiles(TABLE.head(400), SAMPLES, patient)[NAMES].isna().all(axis=None)


def test_quantiles_never_cross_and_lie_in_the_range_of_past_errors():
    eager = PLAIN.model_copy(update={"learning_rate": 1.0, "jump_learning_rate": 1.0})
    found = add_quantiles(TABLE, SAMPLES, eager)[NAMES].dropna().to_numpy()
    assert (np.diff(found, axis=1) >= 0).all()
    assert np.isfinite(found).all()


def test_the_mean_over_seeds_is_covered_like_each_seed():
    samples = samples_of(market(12_000))
    seeds = [table_of(samples, seed=seed, model="lstm_large", noise=0.002) for seed in range(3)]
    both = add_quantiles(pd.concat(seeds, ignore_index=True), samples, UncertaintyParams())
    known = both.dropna(subset=["y_true"])
    mean = coverage(average_seeds(known))["covered_90"].iloc[0]
    assert mean == pytest.approx(coverage(known)["covered_90"].iloc[0], abs=0.005)
    assert mean == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("table", "samples", "message"),
    [
        (
            pd.concat([TABLE, TABLE.tail(1)]),
            SAMPLES,
            "forecasts: found two of BTC, model har, seed 0, origin 2022-04-11 04:00:00+00:00",
        ),
        (TABLE.assign(asset="SOL"), SAMPLES, "forecasts: found asset 'SOL'; samples are of BTC"),
        (
            TABLE,
            dataclasses.replace(SAMPLES, times=SAMPLES.times + pd.Timedelta(days=90)),
            "forecasts: origin 2022-02-03 13:00:00+00:00 of BTC is not among the samples",
        ),
        (
            TABLE.assign(y_pred=0.0),
            SAMPLES,
            "y_pred of model har, origin 2022-02-03 13:00:00+00:00: found 0.0; should be above 0",
        ),
    ],
)
def test_what_cannot_be_used_is_named(table, samples, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        add_quantiles(table, samples, PLAIN)
