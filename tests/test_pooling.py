"""Models that learn from several assets: what enters, what it changes, what is said of it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import small_jumps, small_panel, small_study
from trainers import TINY

from dvol_utils.evaluation import average_seeds, score
from dvol_utils.forecasting.pooling import (
    ALONE,
    LABELLED,
    POOLED,
    Fit,
    asset_samples,
    asset_summary,
    fit_forecaster,
    fit_samples,
    pool,
    pooled_models,
    pooling_forecasts,
    study_fits,
)
from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.models.decay import decay_weights
from dvol_utils.models.linear import WeightedRidge, ridge_decay
from dvol_utils.models.lstm import LADDER
from dvol_utils.pages.assets import (
    WAYS,
    correlation_table,
    found_words,
    pooling_answer,
    pooling_table,
    readable_pooling,
)
from dvol_utils.plots.assets import pooling_gains
from dvol_utils.report.execute import execute_notebook
from dvol_utils.samples.folds import fold_rows, study_folds
from dvol_utils.samples.samples import Samples, build_samples
from dvol_utils.significance import diebold_mariano
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError, StudyParams
from dvol_utils.study.stages import study_notebooks
from dvol_utils.study.tables import read_table
from dvol_utils.study.trials import commanded_study
from dvol_utils.training.sequences import sequence_starts

WALK = {
    "data.assets": ["BTC", "ETH"],
    "split.validation_start": "2022-04-01 00:00",
    "split.test_start": "2022-05-15 00:00",
    "walk.validation": "quarterly",
    "walk.test": "quarterly",
    "walk.stop_days": 10,
    "features.groups": ["har"],
    "models": ["persistence", "ridge_decay", "boosted_trees", "lstm_baseline"],
    "training.epochs": 1,
    "training.seeds": [0, 1],
    "training.precision": "float32",
}
BEGINS = 500  # row at which the second asset begins


def study_of_two(root: Path, **overrides: object) -> StudyParams:
    study = small_study(**{**WALK, **overrides})
    study._root = root
    return study


def two_panels() -> pd.DataFrame:
    second = small_panel(seed=1, asset="ETH").iloc[BEGINS:]
    second = second.assign(price_close=np.nan, funding_rate=np.nan)  # DVOL alone is known
    return pd.concat([small_panel(), second], ignore_index=True)


@pytest.fixture(scope="module", autouse=True)
def tiny_networks():
    """Networks train in this process, so that they can be small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dvol_utils.forecasting.walk.default_workers", lambda: 1)
        patch.setitem(LADDER, "lstm_baseline", TINY)
        yield


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """The study of two assets and their samples."""
    study = study_of_two(tmp_path_factory.mktemp("market"))
    panel = two_panels()
    return study, asset_samples(panel, small_jumps(panel, study), study)


@pytest.fixture(scope="module")
def forecasts(market):
    study, samples = market
    return pooling_forecasts(samples, study, log=lambda line: None)


def without_rows_before(samples: Samples, time: pd.Timestamp) -> Samples:
    return dataclasses.replace(samples, scored=samples.scored & (samples.times >= time))


def predicted(fit: Fit, learnt: list[Samples], study: StudyParams, asked: Samples) -> np.ndarray:
    forecaster = fit_forecaster(fit, study)
    forecaster.fit(fit_samples(fit, learnt, study))
    return forecaster.predict(asked)[fold_rows(asked, fit.fold)]


def test_each_asset_has_samples_of_its_own_panel(market):
    study, (btc, eth) = market
    panel = two_panels()
    for own, rows in ((btc, panel["asset"] == "BTC"), (eth, panel["asset"] == "ETH")):
        part = panel[rows].reset_index(drop=True)
        alone = build_samples(part, small_jumps(part, study), study)
        np.testing.assert_array_equal(own.target, alone.target)
        pd.testing.assert_frame_equal(own.features, alone.features)
    assert btc.features["asset_place"].unique().tolist() == [-1.0]
    assert eth.features["asset_place"].unique().tolist() == [1.0]
    summary = asset_summary([btc, eth])
    assert summary["asset"].tolist() == ["BTC", "ETH"]
    assert summary["train"].tolist() == [len(btc.rows("train")), len(eth.rows("train"))]
    assert summary["first_origin"].tolist()[1] == eth.times[np.flatnonzero(eth.scored)[0]]


def test_pooled_rows_are_the_assets_rows_up_to_the_last_that_is_learnt(market):
    study, samples = market
    fold = study_folds(samples[0], study)[1]
    known = [fit_samples(Fit("har", ALONE, 0, fold, (own.asset,)), [own], study) for own in samples]
    both = pool(known, study)
    assert both.asset == "BTC+ETH"
    assert both.times.max() < fold.start - pd.Timedelta(hours=both.horizon)
    for split in ("train", "validation"):
        for name in ("target", "jump_regime", "dvol", "scale"):
            found = getattr(both, name)[both.rows(split)]
            expected = [getattr(own, name)[own.rows(split)] for own in known]
            np.testing.assert_array_equal(found, np.concatenate(expected), err_msg=name)
    rows = both.fitting_rows()
    expected = [own.features.to_numpy()[own.fitting_rows()] for own in known]
    np.testing.assert_array_equal(both.features.to_numpy()[rows], np.concatenate(expected))
    assert len(both.rows("test")) == 0


@settings(max_examples=60, deadline=None)
@given(
    ends=st.lists(st.integers(0, 400), min_size=2, max_size=4).filter(any),
    window=st.integers(2, 60),
    chunk=st.integers(1, 70),
    offset=st.integers(0, 69),
)
def test_no_sequence_holds_hours_of_two_assets(ends, window, chunk, offset):
    """Whatever the lengths; and each asset's sequences begin where they would alone."""
    study = small_study(**{"training.window_hours": window, "training.chunk_hours": chunk})
    parts = [learnt_to(end, number) for number, end in enumerate(ends)]
    both = pool(parts, study)
    owner = np.nan_to_num(both.dvol, nan=-1.0)  # `learnt_to` writes the asset's number there
    rows = both.rows("train")
    starts = sequence_starts(rows, window, chunk, offset % chunk)
    for start in starts:
        inside = owner[max(start, 0) : start + window - 1 + chunk]
        assert len(set(inside[inside >= 0])) == 1
    for number, end in enumerate(ends):
        own = rows[owner[rows] == number]
        alone = sequence_starts(np.arange(end), window, chunk, offset % chunk)
        first = np.flatnonzero(owner == number)[:1]
        if end:
            mine = sequence_starts(own, window, chunk, offset % chunk)
            np.testing.assert_array_equal(mine - first, alone)


def learnt_to(end: int, number: int, hours: int = 450) -> Samples:
    """Samples whose rows before `end` are learnt; the level is the asset's number."""
    times = pd.date_range("2022-01-01", periods=hours, freq="h", tz="UTC").as_unit("us")
    values, flags = np.ones(hours), np.arange(hours) < end
    words = np.full(hours, "x", dtype=object)
    return Samples(
        asset=f"A{number}",
        times=times,
        horizon=24,
        features=pd.DataFrame({"one": values}, index=times),
        dvol=np.full(hours, float(number)),
        scale=values,
        target=values,
        outcome=values,
        split=np.where(flags, "train", None),
        complete=flags,
        scored=flags,
        jump_regime=np.full(hours, "normal"),
        level_regime=words,
    )


def test_assets_without_a_row_to_learn_from_are_left_out_and_all_of_them_refused():
    study = small_study()
    assert pool([learnt_to(0, 0), learnt_to(50, 1)], study).asset == "A1"
    with pytest.raises(ValueError, match=r"assets \['A0', 'A1'\]: no row to learn from"):
        pool([learnt_to(0, 0), learnt_to(0, 1)], study)


@pytest.mark.parametrize("model", ["ridge_decay", "boosted_trees", "lstm_baseline"])
def test_pooled_is_alone_where_the_other_asset_has_no_row_before_the_fold(market, tmp_path, model):
    study, (btc, eth) = market
    study = study_of_two(tmp_path)
    fold = study_folds(btc, study)[1]
    later = without_rows_before(eth, fold.start)
    one, two = (
        predicted(Fit(model, way, 0, fold, assets), [btc, later], study, btc)
        for way, assets in ((ALONE, ("BTC",)), (POOLED, ("BTC", "ETH")))
    )
    np.testing.assert_array_equal(one, two)
    other = predicted(Fit(model, POOLED, 0, fold, ("BTC", "ETH")), [btc, eth], study, btc)
    assert (one != other).all()


def test_an_asset_without_rows_before_the_fold_is_forecast_by_the_other(market, tmp_path):
    study, (btc, eth) = market
    fold = study_folds(btc, study)[1]
    later = without_rows_before(eth, fold.start)
    fit = Fit("ridge_decay", POOLED, 0, fold, ("BTC", "ETH"))
    assert np.isfinite(predicted(fit, [btc, later], study, later)).all()
    alone = Fit("ridge_decay", ALONE, 0, fold, ("ETH",))
    with pytest.raises(ValueError, match=r"fold 1, from 2022-05-15.*no usable row to learn from"):
        fit_samples(alone, [btc, later], study)


def test_an_asset_pooled_with_itself_is_the_ridge_with_half_the_penalty(market):
    """Twice the squares and the same penalty: the same weights as once, and half of it."""
    study, (btc, _) = market
    fold = study_folds(btc, study)[0]
    twin = dataclasses.replace(btc, asset="TWIN")
    fit = Fit("ridge_decay", POOLED, 0, fold, ("BTC", "TWIN"))
    pooled = predicted(fit, [btc, twin], study, btc)
    learnt = fit_samples(Fit("ridge_decay", ALONE, 0, fold, ("BTC",)), [btc], study)
    half, whole = ridge_decay(), ridge_decay()
    half.regression = WeightedRidge(150.0)
    rows = fold_rows(btc, fold)
    for forecaster in (half, whole):
        forecaster.fit(learnt)
    np.testing.assert_allclose(pooled, half.predict(btc)[rows], rtol=1e-10)
    assert np.abs(pooled - whole.predict(btc)[rows]).max() > 1e-4


def test_age_counts_from_the_latest_row_whichever_asset_it_is_of():
    times = pd.DatetimeIndex(["2022-01-11", "2022-01-01", "2022-01-06"], tz="UTC")
    np.testing.assert_allclose(decay_weights(times, 5.0), [1.0, 0.25, 0.5])


def test_every_model_is_fitted_in_every_way_fold_and_seed(market):
    study, samples = market
    fits = study_fits(samples, study)
    folds = len(study_folds(samples[0], study))
    counts = pd.Series([(fit.model, fit.way) for fit in fits]).value_counts()
    expected = {("ridge_decay", ALONE): 2, ("boosted_trees", ALONE): 2, ("lstm_baseline", ALONE): 4}
    expected |= {("ridge_decay", POOLED): 1, ("boosted_trees", POOLED): 1}
    expected |= {("lstm_baseline", POOLED): 2, ("lstm_baseline", LABELLED): 2}
    assert counts.to_dict() == {key: folds * times for key, times in expected.items()}


def test_networks_of_different_ways_keep_apart_and_the_first_assets_are_the_studys_own(market):
    study, samples = market
    networks = [fit for fit in study_fits(samples, study) if fit.model in LADDER]
    folders = [fit_forecaster(fit, study).checkpoint for fit in networks]
    assert len(set(folders)) == len(networks)
    own = study.run_dir / "checkpoints"
    for fit, folder in zip(networks, folders, strict=True):
        assert folder.is_relative_to(own) == (fit.assets == ("BTC",))


def test_only_labelled_networks_see_which_asset_a_row_is_of(market):
    study, samples = market
    for fit in study_fits(samples, study):
        if fit.model in LADDER:
            columns = fit_forecaster(fit, study).columns
            assert ("asset_place" in columns) == (fit.way == LABELLED)


def test_forecasts_stand_on_each_assets_rows_in_every_way(market, forecasts):
    _, samples = market
    for own in samples:
        part = forecasts[forecasts["asset"] == own.asset]
        rows = np.concatenate([own.rows("validation"), own.rows("test")])
        for _, each in part.groupby(["model", "way", "seed"]):
            assert each["origin"].tolist() == own.times[rows].tolist()
            np.testing.assert_array_equal(each["y_true"], own.outcome[rows])
            np.testing.assert_array_equal(each["split"], own.split[rows])
    assert np.isfinite(forecasts["y_pred"]).all()


def test_alone_is_what_the_study_of_that_asset_forecasts(market, forecasts):
    study, samples = market
    table, failures = forecast_table(samples[0], study, log=lambda line: None)
    assert failures == {}
    alone = forecasts[(forecasts["asset"] == "BTC") & (forecasts["way"] == ALONE)]
    for key, part in alone.groupby(["model", "seed"]):
        own = table[(table["model"] == key[0]) & (table["seed"] == key[1])]
        np.testing.assert_array_equal(part["y_pred"], own["y_pred"])


def test_a_failed_network_is_named(market, tmp_path, monkeypatch):
    from dvol_utils.training import NetworkForecaster, TrainingError

    study, samples = market
    study = study_of_two(
        tmp_path, **{"training.seeds": [0], "models": ["persistence", "lstm_baseline"]}
    )

    def fit(self, learnt):
        raise TrainingError("loss is nan")

    monkeypatch.setattr(NetworkForecaster, "fit", fit)
    with pytest.raises(TrainingError, match=r"lstm_baseline/0-0: TrainingError: loss is nan"):
        pooling_forecasts(samples, study, log=lambda line: None)


def test_differences_are_of_skill_pooled_and_alone(market, forecasts):
    study, _ = market
    table = pooling_table(forecasts, study)
    assert table.groupby(["split", "asset"]).size().unique().tolist() == [7]
    for row in table.itertuples():
        part = forecasts[(forecasts["split"] == row.split) & (forecasts["asset"] == row.asset)]
        part = part[part["model"] == row.model]
        own, alone = (average_seeds(part[part["way"] == way]) for way in (row.way, ALONE))
        skill = score(own, ()).loc[0, "skill"]
        assert row.skill == pytest.approx(skill, rel=1e-12)
        assert row.n == len(own)
        if row.way == ALONE:
            assert np.isnan([row.difference, row.low, row.high]).all()
            assert np.isnan([row.p_value, row.p_bartlett, row.p_holm]).all()
            continue
        assert row.difference == pytest.approx(skill - score(alone, ()).loc[0, "skill"], abs=1e-12)
        losses = [((each["y_true"] - each["y_pred"]) ** 2).to_numpy() for each in (own, alone)]
        for p, way in ((row.p_value, "periodogram"), (row.p_bartlett, "bartlett")):
            expected = diebold_mariano(*losses, horizon=24, variance=way)[1]
            assert p == pytest.approx(expected)
        assert row.low <= row.high
    for _, part in table[table["p_value"].notna()].groupby("split"):
        p = part["p_value"].sort_values()
        steps = p * np.arange(len(p), 0, -1)
        expected = steps.cummax().clip(upper=1)
        np.testing.assert_allclose(part.loc[p.index, "p_holm"], expected)


def test_correlations_are_those_of_the_same_hours(market, forecasts):
    _, (btc, eth) = market
    table = correlation_table([btc, eth], forecasts)
    assert table["series"].tolist()[0] == "changes of DVOL"
    rows = np.concatenate([btc.rows("validation"), btc.rows("test")])
    changes = [np.log(own.outcome / own.dvol) for own in (btc, eth)]
    expected = np.corrcoef(changes[0][rows], changes[1][rows - BEGINS])[0, 1]
    assert table["correlation"].iloc[0] == pytest.approx(expected)
    assert table["n"].tolist() == [len(rows)] * 4
    ridge = forecasts[(forecasts["model"] == "ridge_decay") & (forecasts["way"] == ALONE)]
    error = ridge.assign(error=(ridge["y_true"] - ridge["y_pred"]) / ridge["y_origin"])
    wide = error.pivot_table(index="origin", columns="asset", values="error")
    found = table.set_index("series").loc["errors of Time-weighted ridge", "correlation"]
    assert found == pytest.approx(wide["BTC"].corr(wide["ETH"]))


def made_up_table() -> pd.DataFrame:
    """One model, two assets: pooling helps ETH beyond chance, and BTC not."""
    rows = [
        ("test", "BTC", "ridge_decay", ALONE, 100, 0.05, *[np.nan] * 6),
        ("test", "BTC", "ridge_decay", POOLED, 100, 0.06, 0.01, -0.02, 0.04, 0.5, 0.5, 0.5),
        ("test", "ETH", "ridge_decay", ALONE, 100, 0.02, *[np.nan] * 6),
        ("test", "ETH", "ridge_decay", POOLED, 100, 0.05, 0.03, 0.01, 0.05, 0.01, 0.01, 0.02),
    ]
    columns = ["split", "asset", "model", "way", "n", "skill", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "p_value", "p_bartlett", "p_holm"])


def test_the_answer_says_for_each_asset_whether_pooling_helps():
    btc, eth, both = pooling_answer(made_up_table(), coverage=0.95, simulated=False)
    assert btc == (
        "BTC: pooling is not shown to help or to hurt. Skill pooled less skill alone: "
        "Time-weighted ridge +1.00 percentage points (95 % interval −2.00 to 4.00, "
        "Diebold-Mariano p = 0.500 after Holm)."
    )
    assert eth.startswith("ETH: pooling helps Time-weighted ridge. ")
    assert both == (
        "Pooling changes the skill beyond chance in 1 of 2 comparisons; Holm's correction allows "
        "for their number."
    )
    assert found_words(made_up_table()).endswith("beyond chance in 1 of 2 comparisons")


@pytest.mark.parametrize(("low", "p_holm"), [(-0.01, 0.02), (0.01, 0.08)])
def test_interval_and_corrected_test_both_have_to_agree(low, p_holm):
    table = made_up_table()
    table.loc[3, ["low", "p_holm"]] = [low, p_holm]
    sentences = pooling_answer(table, coverage=0.95, simulated=True)
    assert "is not shown to help or to hurt" in sentences[1]
    assert "beyond chance in 0 of 2 comparisons in the simulated market; " in sentences[2]


def test_a_loss_by_pooling_is_called_one():
    table = made_up_table()
    table.loc[3, ["difference", "low", "high"]] = [-0.03, -0.05, -0.01]
    sentence = pooling_answer(table, coverage=0.95, simulated=False)[1]
    assert sentence.startswith("ETH: pooling hurts Time-weighted ridge. ")


def test_the_table_for_readers_has_names_and_units():
    shown = readable_pooling(made_up_table())
    assert list(shown.columns) == [
        "asset", "model", "learns from", "rows", "skill, %",
        "change by pooling, percentage points", "p", "p, Bartlett", "p after Holm",
    ]  # fmt: skip
    assert shown["learns from"].tolist() == ["its own asset", "all assets"] * 2
    assert shown["change by pooling, percentage points"].tolist()[:2] == [
        "–",
        "+1.00 (−2.00\u00a0to\u00a04.00)",
    ]


def test_the_figure_shows_every_difference():
    ax = pooling_gains(made_up_table(), WAYS, title="Found")
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([1.0, 3.0])
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [f"{asset}: Time-weighted ridge,\nall assets" for asset in ("BTC", "ETH")]
    assert ax.get_title(loc="left") == "Found"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data.assets": ["BTC", "BTC"]}, r"data\.assets \['BTC', 'BTC'\] should name each entry"),
        ({"data.assets": ["BTC", "SOL"]}, r"assets: found SOL; the simulated market knows BTC"),
        ({"published_page": True}, r"data\.assets \['BTC', 'ETH'\] should name one asset where"),
        ({"walk.warm_epochs": 1}, r"walk\.warm_epochs 1 should be left out where data\.assets"),
    ],
)
def test_studies_of_several_assets_that_cannot_be_are_refused(overrides, message):
    with pytest.raises(ParameterError, match=message):
        small_study(**{**WALK, **overrides})


def test_what_cannot_be_pooled_is_refused(market):
    study, _ = market
    panel = two_panels()
    jumps = small_jumps(panel, study)
    with pytest.raises(ValueError, match="asset: found 'SOL'; the panel holds BTC, ETH"):
        build_samples(panel, jumps, study, asset="SOL")
    with pytest.raises(ValueError, match=r"panel holds ETH; data\.assets names BTC"):
        build_samples(panel, jumps, small_study(**WALK | {"data.assets": ["BTC"]}), asset="ETH")
    with pytest.raises(ParameterError, match=r"data\.assets \['BTC'\]: should name several assets"):
        asset_samples(panel, jumps, small_study())
    with pytest.raises(ParameterError, match=r"models \['persistence'\]: found none to pool"):
        pooled_models(small_study(models=["persistence"]))


def test_the_page_is_made_for_studies_of_several_assets():
    for assets, there in ((["BTC"], False), (["BTC", "ETH"], True)):
        study = load_study("smoke", {"data.assets": assets})
        assert ("09_assets" in [path.stem for path in study_notebooks(study)]) == there


def test_the_study_of_both_assets_loads():
    study = load_study("multi_asset")
    assert study.data.assets == ["BTC", "ETH"]
    assert pooled_models(study) == ["ridge_decay", "boosted_trees", "lstm_tuned"]


@pytest.mark.slow
def test_the_page_of_a_simulated_market_of_two_assets(tmp_path, monkeypatch):
    home = Path(__file__).parents[1]
    (tmp_path / "params").mkdir()
    shutil.copy(home / "params/smoke.yaml", tmp_path / "params")
    monkeypatch.chdir(tmp_path)
    overrides = {
        "data.assets": ["ETH", "BTC"],  # the first is not the first of the panel
        "features.groups": ["har"],
        "models": ["persistence", "ridge_decay", "lstm_baseline"],
        "training.epochs": 1,
    }
    study = commanded_study("smoke", overrides)
    for name in ("01_data_preparation", "02_jump_detection", "09_assets"):
        target = study.run_dir / "notebooks" / f"{name}.ipynb"
        execute_notebook(
            home / f"notebooks/{name}.ipynb", target, study="smoke", overrides=overrides
        )
        assert "PosixPath" not in target.read_text(encoding="utf-8")
    assert read_table(study, "jumps")["asset"].unique().tolist() == ["BTC", "ETH"]
    assert read_table(study, "jumps_price")["asset"].unique().tolist() == ["ETH"]
    table = read_table(study, "assets")
    assert table.groupby(["split", "asset"]).size().unique().tolist() == [5]
    assert np.isfinite(table[["skill", "n"]].to_numpy()).all()
    manifest = json.loads((study.run_dir / "manifest.json").read_text())
    stage = manifest["stages"]["09_assets"]
    assert stage["assets"] == ["ETH", "BTC"]
    assert [words.split(":")[0] for words in stage["answer"][:2]] == ["ETH", "BTC"]
