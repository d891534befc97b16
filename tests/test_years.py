from __future__ import annotations

from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pytest
from forecast_tables import forecast_table as made_up
from market import small_jumps, small_panel, small_study

from dvol_utils.evaluation import average_seeds
from dvol_utils.forecasting import years
from dvol_utils.forecasting.walk import forecast_table
from dvol_utils.pages import years as page
from dvol_utils.plots.years import gain_by_half_year
from dvol_utils.results import edge
from dvol_utils.samples.samples import build_samples
from dvol_utils.significance import LOSSES, Resampling, three_losses
from dvol_utils.significance.decay import A_YEAR, LAST_YEAR, decay_tests, gain_change
from dvol_utils.study.params import ParameterError
from dvol_utils.study.stages import YEARS_BEFORE, study_stages

SIMPLE = {
    "models": ["persistence", "har", "har_calendar"],
    "horizons": [],
    "edge.start": "2022-03-28 00:00",
    "edge.chose": [["2022-03-28", "2022-04-10"]],
    "walk.validation": "monthly",
    "walk.test": "monthly",
    "walk.stop_days": 10,
}


def test_the_walk_is_the_studys_own_from_an_earlier_start(tmp_path):
    study, panel = small_study(**SIMPLE), small_panel()
    study._root = tmp_path
    jumps = small_jumps(panel, study)
    found, failures = years.year_forecasts(panel, jumps, study)
    earlier = {
        "split.validation_start": SIMPLE["edge.start"],
        "walk.validation": "quarterly",
        "walk.test": "quarterly",
    }
    own = small_study(**{**SIMPLE, "edge.start": None, "edge.chose": [], **earlier})
    table, _ = forecast_table(build_samples(panel, jumps, own), own, keep_simple=False)
    pd.testing.assert_frame_equal(found[list(table)], table, check_exact=True)
    assert failures == {}
    assert found["origin"].min() == study.edge.start
    assert found["q05"].notna().any()
    assert not study.run_dir.exists(), "nothing is kept of simple models"


def test_networks_are_kept_apart_from_those_of_the_study(tmp_path, monkeypatch):
    monkeypatch.setattr("dvol_utils.forecasting.walk.default_workers", lambda: 1)
    network = {
        "models": ["persistence", "lstm_tuned", "lstm_baseline"],
        "networks.lstm_tuned.epochs": 1,
        "training.seeds": [3],
    }
    study, panel = small_study(**SIMPLE | network), small_panel()
    study._root = tmp_path
    found, _ = years.year_forecasts(panel, small_jumps(panel, study), study, log=lambda line: None)
    kept = sorted(path.relative_to(study.run_dir) for path in study.run_dir.glob("*/*/*"))
    assert [str(path) for path in kept] == ["years/lstm_tuned/0-3", "years/lstm_tuned/1-3"]
    assert found["model"].unique().tolist() == ["persistence", "lstm_tuned"]
    assert study.checkpoints == "checkpoints"


def test_models_that_learn_and_lstm_tuned_are_walked_and_no_others():
    names = ["ensemble", "persistence", "seasonal_naive", "boosted_trees", "har", "attention"]
    own = years.years_study(small_study(models=names, **{"edge.start": "2022-03-28"}))
    assert own.models == ["persistence", "boosted_trees", "har"]
    assert own.edge.start is None
    with pytest.raises(ParameterError, match=r"edge\.start: found null; should be the first orig"):
        years.years_study(small_study(**{"edge.start": None, "edge.chose": []}))
    with pytest.raises(ParameterError, match=r"models: found persistence; should name one of har"):
        years.years_study(small_study(**SIMPLE).model_copy(update={"models": ["persistence"]}))


@pytest.mark.parametrize("asked", [True, False])
def test_the_page_is_made_only_for_studies_with_a_first_origin(asked):
    study = small_study(**({"edge.start": "2022-03-28"} if asked else {}))
    assert (YEARS_BEFORE in study_stages(study)) == asked


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"edge.start": "2022-04-18 00:00"},
            r"edge\.start 2022-04-18 00:00:00\+00:00 should lie before split\.validation_start",
        ),
        ({"edge.chose": [["2022-04-02", "2022-04-01"]]}, r"chose \[2022-04-02, 2022-04-01\] sh"),
        ({"edge.chose": [["2022-04-02"]]}, r"edge\.chose\.0: found \['2022-04-02'\]"),
        ({"edge.start": None, "edge.chose": [["2022-04-02", "2022-04-03"]]},
         r"edge\.chose: counts only with edge\.start, found null"),
        ({"models": ["persistence", "seasonal_naive"], "edge.start": "2022-03-28"},
         r"edge\.start: reaches har, har_calendar, ridge_decay, boosted_trees, lstm_tuned"),
    ],
)  # fmt: skip
def test_keys_that_mean_nothing_are_refused(overrides, message):
    with pytest.raises(ParameterError, match=message):
        small_study(**overrides)


def losses(gain: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Saved and naive squared losses of 24-hour moves, of which a forecast knows a given share."""
    rng = np.random.default_rng(seed)
    size = np.linspace(1.5, 0.7, len(gain) + 24)  # volatility falls over the years
    noise = np.convolve(size * rng.standard_normal(len(gain) + 24), np.ones(24), "valid")[1:]
    spread = np.convolve(size**2, np.ones(24), "valid")[1:] ** 0.5
    known = spread * np.sqrt(gain / (1 - gain)) * rng.standard_normal(len(gain))
    move = known + noise
    return move**2 - noise**2, move**2


def test_a_known_decay_is_found_and_none_where_there_is_none():
    at = np.linspace(0, 3, 12_000)
    fades = [gain_change(*losses(0.35 - 0.1 * at, seed), at) for seed in range(6)]
    lasts = [gain_change(*losses(np.full(12_000, 0.2), seed), at) for seed in range(6)]
    assert [change.p_value < 0.05 for change in fades] == [True] * 6
    assert np.mean([change.estimate for change in fades]) == pytest.approx(-0.1, abs=0.02)
    assert sum(change.p_value < 0.05 for change in lasts) <= 1
    assert np.mean([change.estimate for change in lasts]) == pytest.approx(0, abs=0.02)
    # What could have been missed is what it says: at that size, four times of five.
    reach = np.mean([change.found_from / change.error for change in lasts])
    assert reach == pytest.approx(2.02 + 0.85, abs=0.05)


def test_later_hours_against_earlier_ones_is_the_difference_of_their_gains():
    saved, naive = losses(np.full(3_000, 0.2), 0)
    later = (np.arange(3_000) >= 1_800).astype(float)
    gains = [saved[part].sum() / naive[part].sum() for part in (later == 0, later == 1)]
    assert gain_change(saved, naive, later).estimate == pytest.approx(gains[1] - gains[0])
    assert np.isnan(gain_change(saved, naive, np.ones(3_000))).all()
    assert np.isnan(gain_change(np.zeros(99), np.ones(99), np.arange(99))).all()


@cache
def walked(fade: float = 0.0, hours: int = 9_600, before_test: int = 7_200) -> pd.DataFrame:
    """Forecasts of two models over some months; what `har` knows fades by a share."""
    knows = {"persistence": (0.0, 0.0, 1), "har_calendar": (0.1, 0.3, 2), "har": (0.5, 0.1, 1)}
    table = made_up(hours - before_test, validation_rows=before_test, models=knows, seed=1)
    age = table.groupby("model")["origin"].rank(method="dense") / hours
    change = (1 - fade * age * (table["model"] == "har")) * (table["y_pred"] - table["y_origin"])
    pred = table["y_origin"] + change
    widths = {"q05": -3.0, "q25": -1.0, "q50": 0.0, "q75": 1.0, "q95": 3.0}
    return table.assign(y_pred=pred, **{name: pred + width for name, width in widths.items()})


def study_of(start: str, validation_start: str, chose: list[list[str]]):
    return small_study(
        models=["persistence", "har", "har_calendar"],
        **{
            "split.validation_start": validation_start,
            "split.test_start": "2024-11-22 05:00",
            "edge.start": start,
            "edge.chose": chose,
        },
    )


@pytest.fixture(scope="module")
def study():
    return study_of("2024-01-27 05:00", "2024-09-01 00:00", [["2024-03-01", "2024-03-31"]])


@pytest.fixture(scope="module")
def table(study):
    return edge.edge_table(walked(fade=0.9), study)


def test_every_stretch_is_judged_by_three_losses_on_its_own_rows(study, table):
    rows = average_seeds(walked(fade=0.9))
    judged = table[~table["kind"].isin(edge.CHANGES)]
    names = ["2024 H1", "2024 H2", "2025 H1", edge.BEFORE, edge.TEST, edge.WHOLE]
    assert judged["stretch"].unique().tolist() == names
    assert len(judged) == len(names) * 2 * len(LOSSES)
    half = rows[rows["origin"] < "2024-07-01"]
    expected = three_losses(half, 24, resampling=Resampling.of(study.significance))
    own = judged[judged["stretch"] == "2024 H1"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own[list(expected)], expected, check_exact=True)
    assert own["n"].tolist() == [155 * 24 + 19] * 6
    har = own[own["model"] == "har"].iloc[0]
    part = half[half["model"] == "har"]
    rose, called = (part[name] > part["y_origin"] for name in ("y_true", "y_pred"))
    assert har["direction"] == pytest.approx((rose == called).mean())
    assert har["commonest"] == pytest.approx(max(rose.mean(), 1 - rose.mean()))
    inside = (part["q05"] <= part["y_true"]) & (part["y_true"] <= part["q95"])
    assert har["covered_90"] == pytest.approx(inside.mean())


def test_stretches_whose_rows_chose_settings_say_so(study, table):
    share = table.drop_duplicates("stretch").set_index("stretch")["chose"]
    # March, and the validation rows from September to November, a horizon short of the test.
    assert share["2025 H1"] == share[edge.TEST] == 0
    assert share["2024 H1"] == pytest.approx(31 * 24 / (155 * 24 + 19))
    assert share["2024 H2"] == pytest.approx((82 * 24 + 5) / (184 * 24))
    origin = pd.Series(pd.date_range("2024-03-31 23:00", periods=2, freq="h", tz="UTC"))
    assert edge.chose_settings(origin, study).tolist() == [True, False]
    spans = [(f"{start:%m-%d %H}", f"{end:%m-%d %H}") for start, end in edge.chosen_spans(study)]
    assert spans == [("03-01 00", "04-01 00"), ("09-01 00", "11-22 05")]
    touching = study.model_copy(
        update={
            "edge": study.edge.model_copy(update={"chose": [[date(2024, 3, 1), date(2024, 8, 31)]]})
        }
    )
    assert len(edge.chosen_spans(touching)) == 1
    assert page.chose_text(study).startswith(
        "Rows of 2024-03-01 to 2024-03-31 and 2024-09-01 to 2024-11-22 once chose settings"
    )


def test_the_chosen_model_is_that_of_the_studys_validation_rows():
    short = study_of("2024-09-16 13:00", "2024-10-15 00:00", [])
    forecasts = walked(0.0, 2_400, 1_600)
    early = forecasts["origin"] < short.split.validation_start
    worse = 9.0 * (early & (forecasts["model"] == "har"))
    spoilt = forecasts.assign(y_pred=forecasts["y_pred"] + worse, q95=np.nan)
    found = edge.edge_table(spoilt, short)
    assert found.loc[found["chosen"], "model"].unique().tolist() == ["har"]
    assert found["covered_90"].isna().all()
    alone = edge.edge_table(forecasts[forecasts["model"] == "persistence"], short)
    assert alone.empty
    assert page.years_answer(alone, coverage=0.95, simulated=True) == [
        "No model was chosen on validation rows, or there are too few hours to judge it."
    ]


def test_decay_is_told_where_it_is_found_and_what_is_missed_where_not(study, table):
    assert edge.decayed(table) == ["squared_error", "absolute_error"]
    first, *others = page.years_answer(table, coverage=0.95, simulated=False)
    assert first.startswith("Refitted every quarter, from 2024-01-27 to 2025-03-02 (9,600 hours),")
    assert "**squared error, absolute error and direction**" in first
    assert first.endswith("the gain by squared error and absolute error falls with time.")
    assert any("Decay is found." in sentence for sentence in others)
    missed = [sentence for sentence in others if "would be missed" in sentence]
    assert all("No change is found; a fall below" in sentence for sentence in missed)
    assert missed
    lasting = edge.edge_table(walked(), study)
    assert edge.decayed(lasting) == []
    assert page.years_finding(lasting).endswith("; no decay is found")
    own = edge.chosen_rows(lasting, A_YEAR).set_index("loss")
    alone = decay_tests(average_seeds(walked()), "har", coverage=0.95)
    alone = alone[alone["change"] == A_YEAR].set_index("loss")
    pd.testing.assert_series_equal(own["loss_gain"], alone["estimate"], check_names=False)
    assert (own["low"] < own["loss_gain"]).all()


def test_within_a_year_there_is_no_last_year_to_compare():
    short = average_seeds(walked(0.0, 2_400, 1_600))
    found = decay_tests(short, "har", coverage=0.9).set_index("change")
    assert found.loc[LAST_YEAR, "p_value"].isna().all()
    assert found.loc[A_YEAR, "p_value"].notna().all()
    with pytest.raises(ValueError, match="forecasts: found none of lstm_tuned"):
        decay_tests(short, "lstm_tuned", coverage=0.9)


def test_the_figure_shows_each_half_year_and_hatches_what_chose(study, table):
    halves = table[table["kind"] == edge.HALF_YEAR]
    spans = edge.chosen_spans(study)
    figure = gain_by_half_year(halves, spans, study.split.test_start, title="t")
    assert figure.get_suptitle() == "t"
    assert len(figure.axes) == len(LOSSES)
    for ax, loss in zip(figure.axes, LOSSES, strict=True):
        own = halves[halves["chosen"] & (halves["loss"] == loss)]
        drawn = {tuple(np.round(line.get_ydata(), 9)) for line in ax.lines}
        assert tuple(np.round(100 * own["loss_gain"], 9)) in drawn
        hatched = [patch for patch in ax.patches if patch.get_hatch()]
        assert len(hatched) == len(spans)
        low, high = ax.get_ylim()
        assert low < 100 * own["low"].min()
        assert high > 100 * own["high"].max()
        assert low <= 0 <= high
    ticks = [text.get_text() for text in figure.axes[-1].get_xticklabels()]
    assert ticks == ["2024\nH1", "2024\nH2", "2025\nH1"]
