"""Change the future and nothing earlier may move: features, flags, scaling, forecasters."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market import small_jumps, small_panel, small_study
from sklearn.linear_model import LinearRegression
from trainers import TINY

from dvol_utils.data.simulated import market
from dvol_utils.data.simulated.law import Noise
from dvol_utils.data.simulated.market import dvol_states
from dvol_utils.data.simulated.oracle import oracle_forecasts
from dvol_utils.evaluation.forecast_table import QUANTILES
from dvol_utils.forecasting.combination import combine
from dvol_utils.forecasting.forecasters import checkpoint_hashes, make_forecaster
from dvol_utils.forecasting.horizons import horizon_forecasts
from dvol_utils.forecasting.intervals import add_quantiles
from dvol_utils.forecasting.own_model import own_forecasts
from dvol_utils.forecasting.pooling import LABELLED, POOLED, Fit, fit_forecaster, fit_samples
from dvol_utils.forecasting.walk import fold_networks, forecast_table
from dvol_utils.forecasting.years import year_forecasts
from dvol_utils.jumps import detect_jumps
from dvol_utils.jumps.periodicity import periodicity_wsd
from dvol_utils.models.lstm import LADDER
from dvol_utils.samples.features import GROUPS, build_features, feature_columns
from dvol_utils.samples.folds import fold_rows, fold_samples, study_folds
from dvol_utils.samples.samples import build_samples
from dvol_utils.serving.after_study import refitted_forecasts
from dvol_utils.serving.later_hours import LaterHours, saved_forecasts, with_quantiles_since
from dvol_utils.serving.market import Market, serving_samples
from dvol_utils.serving.saved_models import Finished, newest_fold
from dvol_utils.study.model_names import MODEL_NAMES, NETWORK_NAMES, SIMPLE_NAMES, names_of
from dvol_utils.study.params import SimulatedParams
from dvol_utils.trading import hourly, simulate, strategies

NOTEBOOK = Path(__file__).parents[1] / "notebooks/11_your_own_model.ipynb"
CUTS = (1_100, 1_999, 3_100)
FORECASTERS = [name for name in MODEL_NAMES if name != "ensemble"]  # it has a test of its own


def changed_after(panel: pd.DataFrame, row: int, seed: int = 1) -> pd.DataFrame:
    """The same panel up to and including `row`, and another market after it."""
    rng = np.random.default_rng(seed)
    other = panel.copy()
    for name in panel.select_dtypes(float).columns:
        noise = np.exp(0.3 * rng.standard_normal(len(panel) - row - 1))
        other.loc[row + 1 :, name] = panel.loc[row + 1 :, name] * noise
    other.loc[row + 5 : row + 7, "imputed"] = True
    return other


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = small_study(**{"models": list(MODEL_NAMES), "training.epochs": 1})
    made._root = tmp_path_factory.mktemp("project")
    return made


@pytest.fixture(scope="module")
def panel():
    return small_panel()


@pytest.fixture(scope="module")
def samples(panel, study):
    return build_samples(panel, small_jumps(panel, study), study)


def both(panel, study, cut, build):
    """`build(panel, jumps)` on the market and on the one that differs after `cut`."""
    other = changed_after(panel, cut)
    return build(panel, small_jumps(panel, study)), build(other, small_jumps(other, study))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("column", ["dvol_close", "price_close"])
@pytest.mark.parametrize("corrected", [False, True])
def test_jump_flags(panel, study, cut, column, corrected):
    factors = None
    if corrected:  # estimated on rows before every cut
        early = panel.set_index("time")["dvol_close"].iloc[: CUTS[0]]
        factors = periodicity_wsd(np.log(early).diff().dropna(), 24)
    one, two = (
        detect_jumps(p, study.jumps, column=column, periodicity=factors)
        for p in (panel, changed_after(panel, cut))
    )
    pd.testing.assert_frame_equal(one[: cut + 1], two[: cut + 1], check_exact=True)
    assert not one[cut + 1 :].equals(two[cut + 1 :])


@pytest.mark.parametrize("cut", CUTS)
def test_features(panel, study, cut):
    one, two = both(panel, study, cut, lambda p, j: build_features(p, j, study))
    assert set(one) == {name for group in GROUPS.values() for name in group}
    pd.testing.assert_frame_equal(one[: cut + 1], two[: cut + 1], check_exact=True)


def test_what_is_known_in_advance_depends_on_the_time_alone(panel, study):
    """Neither another market nor the end of the data moves calendar, clock and expiries."""
    one, two = both(panel, study, CUTS[0], lambda p, j: build_features(p, j, study))
    known = feature_columns(["calendar", "clock", "expiry"])
    pd.testing.assert_frame_equal(one[known], two[known], check_exact=True)
    early = panel[: CUTS[0]]
    short = build_features(early, small_jumps(early, study), study)
    pd.testing.assert_frame_equal(one[known][: CUTS[0]], short[known], check_exact=True)


@pytest.mark.parametrize("cut", CUTS)
def test_scaling_weights_and_regimes(panel, study, cut):
    one, two = both(panel, study, cut, lambda p, j: build_samples(p, j, study))
    pd.testing.assert_frame_equal(
        one.features[: cut + 1], two.features[: cut + 1], check_exact=True
    )
    for name in ("dvol", "scale", "complete", "jump_regime", "level_regime", "split"):
        np.testing.assert_array_equal(
            getattr(one, name)[: cut + 1], getattr(two, name)[: cut + 1], err_msg=name
        )
    known = cut + 1 - study.target.horizon_hours
    for name in ("target", "outcome", "scored"):
        np.testing.assert_array_equal(getattr(one, name)[:known], getattr(two, name)[:known])


def test_targets_lie_one_horizon_ahead(panel, study, samples):
    """The last known target moves when the hour it looks at moves, and only then."""
    cut, horizon = 2_500, study.target.horizon_hours
    _, two = both(panel, study, cut, lambda p, j: build_samples(p, j, study))
    moved = np.flatnonzero(samples.outcome != two.outcome)
    assert moved.min() == cut + 1 - horizon


@pytest.mark.parametrize(
    ("name", "supervision"), [*((name, "dense") for name in FORECASTERS), ("lstm_baseline", "last")]
)
def test_forecasts(panel, study, samples, name, supervision):
    """A fitted forecaster's forecast at an origin does not move with what comes after it."""
    chosen = study.model_copy(
        update={"training": study.training.model_copy(update={"supervision": supervision})}
    )
    chosen._root = study.root / supervision
    forecaster = make_forecaster(name, chosen)
    if name not in NETWORK_NAMES:
        forecaster.fit(samples)  # networks answer with their first weights: faster, as telling
    cut = 3_100
    other = changed_after(panel, cut)
    changed = build_samples(other, small_jumps(other, chosen), chosen)
    one, two = forecaster.predict(samples), forecaster.predict(changed)
    assert np.isfinite(one[cut])
    np.testing.assert_array_equal(one[: cut + 1], two[: cut + 1])
    assert not np.array_equal(one[cut + 1 :], two[cut + 1 :], equal_nan=True)


@pytest.mark.parametrize(
    "name",
    [*names_of("linear", "trees"), "lstm_baseline", "lstm_tuned", "attention"],
)
def test_fitting_ignores_the_test_rows(samples, study, tmp_path, name):
    """Other outcomes in the test rows leave what was learnt, and so the forecasts, as they were."""
    test = samples.split == "test"
    noise = np.random.default_rng(0).standard_normal(len(samples.dvol))
    other = dataclasses.replace(
        samples,
        target=np.where(test, noise, samples.target),
        outcome=np.where(test, 1.0, samples.outcome),
        jump_regime=np.where(test, "jump", samples.jump_regime),
    )
    forecasts = []
    for folder, rows in (("one", samples), ("two", other)):
        study._root = tmp_path / folder
        forecaster = make_forecaster(name, study)
        forecaster.fit(rows)
        forecasts.append(forecaster.predict(samples))
    np.testing.assert_array_equal(*forecasts)


WALK = {
    "split.validation_start": "2022-04-01 00:00",
    "split.test_start": "2022-05-15 00:00",
    "walk.validation": "monthly",
    "walk.test": "monthly",
    "walk.stop_days": 10,
    "walk.half_life_days": 60,
    "training.epochs": 1,
    "training.precision": "float32",
}
FOLDS = range(3)  # validation, validation, test


@pytest.fixture(scope="module")
def walk(panel):
    """The walking study, its samples, and for each fold those of another market from its start."""
    study = small_study(**WALK)
    samples = build_samples(panel, small_jumps(panel, study), study)
    others = []
    for fold in study_folds(samples, study):
        other = changed_after(panel, panel["time"].searchsorted(fold.start) - 1)
        others.append(build_samples(other, small_jumps(other, study), study))
    return study, samples, others


def forecasts_of_a_fold(name, study, number, learnt_from, samples):
    """A fold's forecasts by models that learnt from other samples than they are asked about."""
    folds = study_folds(samples, study)
    fold = folds[number]
    if name in NETWORK_NAMES:
        chain = folds[: number + 1] if study.walk.warm_epochs else [fold]
        for forecaster, learnt in fold_networks(name, 0, chain, learnt_from, study):
            forecaster.fit(learnt)
    else:
        forecaster = make_forecaster(name, study)
        forecaster.fit(fold_samples(learnt_from, fold, study.walk))
    asked = fold_samples(samples, fold, study.walk)
    return forecaster.predict(asked)[fold_rows(samples, fold)]


@pytest.mark.parametrize("number", FOLDS)
@pytest.mark.parametrize(
    ("name", "warm_epochs"), [*((name, None) for name in FORECASTERS), ("lstm_baseline", 1)]
)
def test_no_fold_learns_from_what_comes_after_its_start(
    walk, tmp_path, monkeypatch, name, warm_epochs, number
):
    """Another market from a fold's start on changes none of the fold's forecasts."""
    for size in LADDER:
        monkeypatch.setitem(LADDER, size, TINY)
    study, samples, others = walk
    chosen = study.model_copy(
        update={"walk": study.walk.model_copy(update={"warm_epochs": warm_epochs})}
    )
    forecasts = []
    for folder, learnt_from in (("one", samples), ("two", others[number])):
        chosen._root = tmp_path / folder
        forecasts.append(forecasts_of_a_fold(name, chosen, number, learnt_from, samples))
    assert np.isfinite(forecasts[0]).all()
    np.testing.assert_array_equal(*forecasts)


@pytest.mark.parametrize("name", ["har_calendar", "lstm_baseline"])
def test_a_later_fold_does_learn_from_it(walk, tmp_path, monkeypatch, name):
    """The check itself: the market that differs from the second fold's start moves the third."""
    monkeypatch.setitem(LADDER, "lstm_baseline", TINY)
    study, samples, others = walk
    forecasts = []
    for folder, learnt_from in (("one", samples), ("two", others[1])):
        study._root = tmp_path / folder
        forecasts.append(forecasts_of_a_fold(name, study, 2, learnt_from, samples))
    assert (forecasts[0] != forecasts[1]).all()


@pytest.mark.parametrize("number", FOLDS)
def test_the_notebooks_own_model_learns_and_sees_nothing_of_what_comes_after(walk, number):
    """Neither what it learns from nor what it is asked about may move an earlier forecast."""
    study, samples, others = walk
    one, two = (
        own_forecasts(notebook_model(), rows, study, name="mine").set_index("origin")["y_pred"]
        for rows in (samples, others[number])
    )
    fold = study_folds(samples, study)[number]
    early = one.index[one.index < fold.start].intersection(two.index)  # but for what is imputed
    assert len(early) > 0 or number == 0
    np.testing.assert_array_equal(one[early], two[early])
    forecasts = []
    for rows in (samples, others[number]):
        model = notebook_model()()
        model.fit(fold_samples(rows, fold, study.walk))
        forecasts.append(model.predict(samples))
    np.testing.assert_array_equal(*forecasts)


def notebook_model():
    """The class that notebook 11 adds, from its own cell."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names = {"pd": pd, "LinearRegression": LinearRegression}
    exec("".join(next(cell for cell in cells if cell["id"] == "own-model")["source"]), names)
    return names["ClosingGap"]


def test_the_ensemble_learns_nothing_of_a_fold_before_it_is_over(walk):
    """Other outcomes after a fold's start change none of the ensemble's forecasts in it."""
    study, samples, _ = walk
    folds = study_folds(samples, study)
    one = combine(made_up_forecasts(samples, folds), ["har", "har_calendar"], 0.1)
    for fold in folds:
        changed = made_up_forecasts(samples, folds)
        changed.loc[changed["target_time"] > fold.start, "y_true"] += 5.0
        two = combine(changed, ["har", "har_calendar"], 0.1)
        within = (one["origin"] < fold.end).to_numpy()
        np.testing.assert_array_equal(one["y_pred"][within], two["y_pred"][within])
        later = ~within & (one["origin"] - fold.end >= pd.Timedelta(hours=24)).to_numpy()
        assert (one["y_pred"][later] != two["y_pred"][later]).all()


def made_up_forecasts(samples, folds):
    """A forecast table of two models that see a part of what comes."""
    rng = np.random.default_rng(0)
    tables = []
    for model in ("har", "har_calendar"):
        for fold in folds:
            rows = fold_rows(samples, fold)
            noise = rng.standard_normal(len(rows))
            origin, outcome = samples.dvol[rows], samples.outcome[rows]
            facts = {"origin": samples.times[rows], "target_time": samples.target_times(rows)}
            facts |= {"y_origin": origin, "y_true": outcome, "fold": fold.number, "seed": 0}
            change = 0.2 * (outcome - origin) + noise
            facts |= {"y_pred": origin + change, "split": samples.split[rows], "model": model}
            tables.append(pd.DataFrame(facts).assign(asset="BTC"))
    return pd.concat(tables, ignore_index=True)


def quantiles_of(samples, forecasts, study):
    made = add_quantiles(forecasts, samples, study.uncertainty).set_index("origin")
    return made[made["model"] == "persistence"][list(QUANTILES)]


@pytest.fixture(scope="module")
def uncertain():
    """Samples of a market, and persistence forecast at each of its later hours."""
    study = small_study(**{"uncertainty.min_errors": 240, "uncertainty.learning_rate": 0.3})
    panel = small_panel()
    samples = build_samples(panel, small_jumps(panel, study), study)
    return study, panel, samples, persistence_table(samples)


def persistence_table(samples):
    rows = np.arange(1_500, len(samples.times))
    origin = samples.times[rows]
    return pd.DataFrame(
        {
            "asset": "BTC",
            "origin": origin,
            "target_time": origin + pd.Timedelta(hours=samples.horizon),
            "model": "persistence",
            "seed": 0,
            "y_true": samples.outcome[rows],
            "y_pred": samples.dvol[rows],
            "jump_regime": samples.jump_regime[rows],
        }
    )


@pytest.mark.parametrize("cut", [2_304, 2_500, 3_100])
def test_intervals(uncertain, cut):
    """Another market after an hour moves no interval given up to that hour, and later ones."""
    study, panel, samples, forecasts = uncertain
    other = changed_after(panel, cut)
    changed = build_samples(other, small_jumps(other, study), study)
    one = quantiles_of(samples, forecasts, study)
    two = quantiles_of(changed, persistence_table(changed), study)
    last = samples.times[cut]
    assert one.loc[last].notna().all()
    pd.testing.assert_frame_equal(one[:last], two[:last], check_exact=True)
    assert not one[last:].equals(two[last:])


@pytest.mark.parametrize("hour", [0, 1, 13, 23])
def test_intervals_know_an_outcome_only_when_it_has_come(uncertain, hour):
    """One other outcome moves no interval of origins before its own hour, a horizon later."""
    study, _, samples, forecasts = uncertain
    target = pd.Timestamp("2022-04-20", tz="UTC") + pd.Timedelta(hours=hour)
    at = forecasts["target_time"] == target
    other = forecasts.assign(y_true=forecasts["y_true"].where(~at, 2 * forecasts["y_true"]))
    one, two = (quantiles_of(samples, table, study) for table in (forecasts, other))
    assert one.loc[target - pd.Timedelta(hours=24)].notna().all()
    moved = one.index[(one != two).any(axis="columns") & one.notna().all(axis="columns")]
    assert moved.min() == target.ceil("D")  # intervals change at midnight


@pytest.mark.parametrize("hours", [1, 168])
def test_forecasts_at_other_horizons(panel, hours):
    """Another market after an hour moves no forecast made up to then, whatever the horizon."""
    simple = {"models": list(SIMPLE_NAMES), "horizons": [hours]}
    networks_own = ("training.epochs", "training.precision", "walk.half_life_days")
    walk = {key: value for key, value in WALK.items() if key not in networks_own}
    study, cut = small_study(**walk, **simple), 3_200  # within the test rows
    one, two = both(panel, study, cut, lambda p, j: horizon_forecasts(p, j, study))
    until = panel["time"][cut]
    shared = one.merge(two, on=["model", "origin"], suffixes=("", "_other"))
    made = shared[shared["origin"] <= until]
    assert (made.groupby("model")["origin"].max() == until).all()
    np.testing.assert_array_equal(made["y_pred"], made["y_pred_other"])
    later = shared[shared["origin"] > until]
    assert (later["y_pred"] != later["y_pred_other"]).groupby(later["model"]).any().all()


@pytest.mark.parametrize("cut", [500, 1_234])
def test_the_oracle(monkeypatch, cut):
    """Other chance after an hour of the simulated market moves no forecast made up to then."""
    params = SimulatedParams(start=pd.Timestamp("2022-01-03", tz="UTC"), hours=1_500, seed=3)
    origins = pd.date_range(params.start + pd.Timedelta(hours=400), periods=1_000, freq="h")
    told = {"horizon_hours": 24, "paths": 4}
    one, level = oracle_forecasts(params, origins, **told), dvol_states(params)[1].decays[0]
    drawn = market.draw_noise

    def changed(rngs, shape, *, begins):
        noise = drawn(rngs, shape, begins=begins)
        if not begins:  # the oracle's own paths
            return noise
        other = drawn([np.random.default_rng(n) for n in range(4)], shape, begins=True)
        from_here = np.arange(shape[0]) > shape[0] - params.hours + cut
        volatility = zip(noise.volatility, other.volatility, strict=True)
        rest = zip(noise[1:], other[1:], strict=True)
        first, *others = (
            tuple(np.where(from_here, b, a) for a, b in pairs) for pairs in (volatility, rest)
        )
        return Noise(first, *others[0])

    monkeypatch.setattr(market, "draw_noise", changed)
    two, other_level = oracle_forecasts(params, origins, **told), dvol_states(params)[1].decays[0]
    until = params.start + pd.Timedelta(hours=cut + 1)  # the close of the last hour left alone
    np.testing.assert_array_equal(level[: cut + 1], other_level[: cut + 1])
    assert (level[cut + 1 :] != other_level[cut + 1 :]).all()
    pd.testing.assert_frame_equal(one[:until], two[:until], check_exact=True)
    assert (one["mean"] != two["mean"])[one.index > until].all()


def test_the_oracle_does_not_know_how_the_market_goes_on():
    """A market that ends at the origin has the same oracle as one that goes on."""
    start = pd.Timestamp("2022-01-03", tz="UTC")
    origin = pd.DatetimeIndex([start + pd.Timedelta(hours=500)])
    one, two = (
        oracle_forecasts(
            SimulatedParams(start=start, hours=hours, seed=3), origin, horizon_hours=24, paths=4
        )
        for hours in (500, 900)
    )
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize("until", ["2022-05-19 23:00", "2022-05-25 12:00"])
def test_the_walk_over_the_years(panel, tmp_path, monkeypatch, until):
    """Another market after a quarter, or within one, moves no forecast or interval up to then."""
    monkeypatch.setattr("dvol_utils.forecasting.walk.default_workers", lambda: 1)
    years = {
        "edge.start": "2022-02-20 00:00",  # quarters begin here and on 20 May
        "split.test_start": "2022-05-30 00:00",
        "models": ["persistence", "ridge_decay", "lstm_tuned"],
        "networks.lstm_tuned.epochs": 1,
        "training.precision": "float32",
        "walk.validation": "monthly",
        "walk.test": "monthly",
        "walk.stop_days": 10,
        "uncertainty.min_errors": 240,
    }
    study, last = small_study(**years), pd.Timestamp(until, tz="UTC")
    roots = iter([tmp_path / "one", tmp_path / "two"])

    def build(market, jumps):
        study._root = next(roots)
        return year_forecasts(market, jumps, study, log=lambda line: None)[0]

    one, two = both(panel, study, panel["time"].searchsorted(last), build)
    keys, names = ["model", "seed", "origin"], ["y_pred", *QUANTILES]
    one, two = (table.set_index(keys)[names] for table in (one, two))
    # Hours whose target is imputed in the other market are not scored there.
    one, two = (table.loc[one.index.intersection(two.index)] for table in (one, two))
    early = one.index.get_level_values("origin") <= last
    assert one[early].notna().all(axis="columns").groupby("model").any().all()
    pd.testing.assert_frame_equal(one[early], two[early], check_exact=True)
    moved = (one[~early] != two[~early]).any(axis="columns")
    assert moved.groupby("model").any().all()


AFTER = {
    **WALK,
    "models": ["persistence", "har", "ridge_decay", "lstm_baseline", "ensemble"],
    "split.validation_start": "2022-03-20 00:00",
    "split.test_start": "2022-04-10 00:00",
    "split.test_end": "2022-04-20 00:00",
    "walk.warm_epochs": 1,
    "uncertainty.min_errors": 240,
}


@pytest.fixture(scope="module")
def ended(panel, tmp_path_factory):
    """A study that has ended, and its later hours as a function of the market and a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LADDER, "lstm_baseline", TINY)
        patch.setattr("dvol_utils.forecasting.walk.default_workers", lambda: 1)
        study = small_study(**AFTER)
        study._root = tmp_path_factory.mktemp("ended")
        samples = build_samples(panel, small_jumps(panel, study), study)
        own, _ = forecast_table(samples, study, log=lambda line: None)
        own = add_quantiles(own, samples, study.uncertainty)
        finished = Finished(study, own, panel, checkpoint_hashes(study, own), [])

        def both_ways(market):
            held = Market(study.root, "BTC", market, study.data, [])
            later = serving_samples(held, study)
            rows = np.flatnonzero((later.times > study.split.test_end) & later.scored)
            hours = LaterHours(finished, newest_fold(finished), held, later, rows, [], [], [])
            saved, lacking, _ = saved_forecasts(hours)
            folds, refitted, failed = refitted_forecasts(hours, saved, log=lambda line: None)
            assert (lacking, failed) == ({}, {})
            tables = [
                with_quantiles_since(hours, pd.concat(made.values())).assign(way=way)
                for way, made in (("saved", saved), ("refitted", refitted))
            ]
            return folds, pd.concat(tables, ignore_index=True)

        yield both_ways


def test_forecasts_after_the_study_do_not_know_what_comes_after_them(panel, ended):
    """Another market after an hour moves no forecast and no interval made up to then, neither of
    the saved models nor of those that are refitted, and later ones of both.
    """
    folds, one = ended(panel)
    assert [fold.start for fold in folds] == [pd.Timestamp("2022-05-10", tz="UTC")]
    until = pd.Timestamp("2022-05-20", tz="UTC")
    cut = int(panel["time"].searchsorted(until))
    _, two = ended(changed_after(panel, cut))
    keys, values = ["way", "model", "seed", "origin"], ["y_pred", *QUANTILES]
    # An hour counts once its outcome is known, which another market may leave out.
    both = one.merge(two, on=keys, suffixes=("", "_other"))
    early = both[both["origin"] <= until]
    assert (early.groupby(["way", "model"])["origin"].max() == until).all()
    for name in values:
        np.testing.assert_array_equal(early[name], early[f"{name}_other"], err_msg=name)
    late = both[both["origin"] > until]
    moved = (late["y_pred"] != late["y_pred_other"]).groupby([late["way"], late["model"]]).any()
    assert moved.all()
    refit = early[early["origin"] >= folds[0].start]
    for name in ("har", "ridge_decay", "lstm_baseline", "ensemble"):
        saved, refitted = (
            refit.loc[(refit["model"] == name) & (refit["way"] == way), "y_pred"].to_numpy()
            for way in ("saved", "refitted")
        )
        assert (saved != refitted).any()


BOTH = ("BTC", "ETH")


@pytest.fixture(scope="module")
def two_assets(panel):
    """The walking study of two assets, their samples, and a second asset of another future."""
    study = small_study(**{**WALK, "data.assets": list(BOTH), "features.groups": ["har"]})
    second = small_panel(seed=1, asset="ETH").drop(index=range(300)).reset_index(drop=True)
    btc, eth = (build_samples(p, small_jumps(p, study), study) for p in (panel, second))
    others = []
    for fold in study_folds(btc, study):
        other = changed_after(second, second["time"].searchsorted(fold.start) - 1)
        others.append(build_samples(other, small_jumps(other, study), study))
    return study, btc, eth, others


@pytest.mark.parametrize(("number", "moves"), [(1, False), (2, True)])
@pytest.mark.parametrize(
    ("name", "way"),
    [(n, POOLED) for n in ("ridge_decay", "boosted_trees", "lstm_baseline")]
    + [("lstm_baseline", LABELLED)],
)
def test_pooled_models_do_not_know_another_assets_future(
    two_assets, tmp_path, monkeypatch, name, way, number, moves
):
    """Another future of the second asset from a fold's start on: nothing of that fold's forecasts
    of the first asset moves, and, to check the check, those of the next one do.
    """
    monkeypatch.setitem(LADDER, "lstm_baseline", TINY)
    study, btc, eth, others = two_assets
    fold = study_folds(btc, study)[number]
    fit = Fit(name, way, 0, fold, BOTH)
    forecasts = []
    for folder, second in (("one", eth), ("two", others[1])):
        study._root = tmp_path / folder
        forecaster = fit_forecaster(fit, study)
        forecaster.fit(fit_samples(fit, [btc, second], study))
        asked = fold_samples(btc, fold, study.walk)
        forecasts.append(forecaster.predict(asked)[fold_rows(btc, fold)])
    assert np.isfinite(forecasts[0]).all()
    if moves:
        assert (forecasts[0] != forecasts[1]).any()
    else:
        np.testing.assert_array_equal(*forecasts)


def test_a_leak_would_be_seen(panel, study):
    """The check itself: a centred mean of DVOL moves before the cut."""
    cut = CUTS[0]
    one, two = (
        p["dvol_close"].rolling(25, center=True).mean() for p in (panel, changed_after(panel, cut))
    )
    assert not one[: cut + 1].equals(two[: cut + 1])


def test_positions_never_depend_on_their_fill_hour_or_later(panel, study):
    """Change what comes after an origin, forecasts and market alike: positions up to it stay."""
    origins = panel["time"][2_400:3_400]
    level = panel.set_index("time")["dvol_close"]
    forecasts = daily_forecasts(level, origins)
    pairs = strategies(["persistence", "har"], "har")
    controlled = study.model_copy(
        update={"trading": study.trading.model_copy(update={"stop_drawdown": 0.8, "stop_days": 10})}
    )
    one = simulate(forecasts, hourly(panel, "BTC"), controlled, pairs)
    assert one["exposure"].between(0, 1, inclusive="neither").any()
    assert (one["exposure"] == 0).any()
    cut = one["origin"].unique()[20]
    row = int(panel.index[panel["time"] == cut][0])
    other = changed_after(panel, row)
    changed = daily_forecasts(other.set_index("time")["dvol_close"], origins)
    early = (changed["origin"] <= cut).to_numpy()
    for name in ("y_pred", "y_origin", "q05", "q25", "q75", "q95"):  # what is known stays
        np.testing.assert_array_equal(changed.loc[early, name], forecasts.loc[early, name])
    two = simulate(changed, hourly(other, "BTC"), controlled, pairs)
    decided = (one["origin"] <= cut).to_numpy()
    assert (one.loc[decided, "fill"].max() - cut) == pd.Timedelta(hours=1)
    free = ["origin", "instrument", "model", "rule", "signal", "position", "exposure"]
    pd.testing.assert_frame_equal(one.loc[decided, free], two.loc[decided, free], check_exact=True)
    assert not one.loc[~decided, "position"].equals(two.loc[~decided, "position"])


def daily_forecasts(level, origins):
    """Forecasts from the last day's change, all that they need known at the origin."""
    start = level[origins].to_numpy()
    guess = start - 0.3 * level.diff(24)[origins].to_numpy()
    spread = dict(zip(("q05", "q25", "q50", "q75", "q95"), (-2, -0.3, 0, 0.3, 2), strict=True))
    return pd.DataFrame(
        {
            "asset": "BTC",
            "origin": origins.to_numpy(),
            "target_time": origins.to_numpy() + pd.Timedelta(hours=24),
            "model": "har",
            "split": "test",
            "y_origin": start,
            "y_pred": guess,
            "jump_regime": "normal",
            "level_regime": "middle",
            **{name: guess + shift for name, shift in spread.items()},
        }
    )
