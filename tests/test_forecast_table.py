from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from forecast_tables import MODELS, TEST_START, forecast_table

from dvol_utils.evaluation.forecast_table import (
    add_calendar,
    average_seeds,
    check_forecasts,
    evaluation_rows,
    squared_errors,
)

FORECASTS = forecast_table(60, validation_rows=40)


def with_value(column: str, value: object, row: int = 3) -> pd.DataFrame:
    table = FORECASTS.copy()
    table.loc[row, column] = value
    return table


def test_a_sound_table_passes_unchanged():
    assert check_forecasts(FORECASTS) is FORECASTS
    quantiles = FORECASTS.assign(q05=np.nan, q95=np.nan)
    assert check_forecasts(quantiles) is quantiles


def test_two_assets_and_several_seeds_are_sound():
    both = pd.concat([FORECASTS, FORECASTS.assign(asset="ETH")], ignore_index=True)
    assert check_forecasts(both) is both


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (FORECASTS.drop(columns="fold"), "column 'fold' is missing; found asset, origin"),
        (FORECASTS.head(0), "found no rows"),
        (with_value("y_pred", np.inf), "y_pred of model persistence, origin"),
        (
            with_value("target_time", TEST_START),
            "target_time of model persistence, origin 2024-11-20 16:00:00+00:00: found 2024-11-22 "
            "05:00:00+00:00; should be origin + horizon_hours (1 such rows)",
        ),
        (
            pd.concat([FORECASTS, FORECASTS.tail(2)]),
            "should be one forecast per asset, origin, model and seed (2 such rows)",
        ),
        (
            FORECASTS.drop(index=[0, 2]),
            "model persistence, seed 0: found no forecast for BTC, origin 2024-11-20 13:00:00+00:00"
            " (2 such origins); all models should stand on the same 100 rows",
        ),
        (
            FORECASTS.drop(index=FORECASTS.index[-1]),
            "model lstm_ultra, seed 1: found no forecast for BTC, origin 2024-11-24 16:00",
        ),
        (with_value("y_true", 1.0, row=205), "y_true of model har, origin 2024-11-20 18:00:00+00"),
        (with_value("y_origin", 1.0, row=205), "should be the same for every model"),
        (with_value("split", "test", row=205), "split of model har"),
        (with_value("jump_regime", "calm", row=205), "found calm; should be the same for every"),
    ],
)
def test_refused_tables_are_named(table, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_forecasts(table)


def test_average_over_seeds_is_the_mean_forecast():
    mean = average_seeds(FORECASTS.assign(q50=FORECASTS["y_pred"] + 1))
    assert list(mean.columns) == [*FORECASTS.columns, "q50"]
    assert len(mean) == 100 * len(MODELS)
    for model in ("har", "lstm_large"):
        seeds = FORECASTS[FORECASTS["model"] == model]
        expected = [rows["y_pred"].mean() for _, rows in seeds.groupby("origin")]
        found = mean[mean["model"] == model]
        np.testing.assert_allclose(found["y_pred"], expected)
        np.testing.assert_allclose(found["q50"], found["y_pred"] + 1)
        assert found["y_true"].tolist() == seeds["y_true"].head(100).tolist()
        assert (found["seed"] == 0).all()


def test_average_keeps_assets_apart():
    both = pd.concat([FORECASTS, FORECASTS.assign(asset="ETH", y_pred=0.0)], ignore_index=True)
    mean = average_seeds(both).groupby("asset")["y_pred"].max()
    assert mean["BTC"] > 0 == mean["ETH"]


def test_evaluation_rows_are_split_and_averaged():
    both = pd.concat([FORECASTS, FORECASTS.assign(asset="ETH")], ignore_index=True)
    validation, test = evaluation_rows(both, "BTC")
    assert len(validation) == 40 * len(MODELS)
    assert len(test) == 60 * len(MODELS)
    assert validation["origin"].max() < TEST_START <= test["origin"].min()
    assert set(test["asset"]) == {"BTC"}
    assert not test.duplicated(["origin", "model"]).any()


@pytest.mark.parametrize(
    ("table", "asset", "message"),
    [
        (FORECASTS, "ETH", "found no validation rows of ETH"),
        (FORECASTS[FORECASTS["split"] == "validation"], "BTC", "found no test rows of BTC"),
        (FORECASTS.drop(index=0), "BTC", "all models should stand on the same 100 rows"),
    ],
)
def test_evaluation_rows_need_both_splits(table, asset, message):
    with pytest.raises(ValueError, match=message):
        evaluation_rows(table, asset)


def test_calendar_of_the_origin():
    origins = pd.to_datetime(
        ["2024-11-22 05:00", "2024-11-24 23:00", "2024-11-25 00:00", "2024-12-31 23:00"], utc=True
    )
    calendar = add_calendar(pd.DataFrame({"origin": origins}))
    assert calendar["hour"].tolist() == [5, 23, 0, 23]
    assert calendar["weekday"].tolist() == [4, 6, 0, 1]
    assert calendar["hour_of_week"].tolist() == [101, 167, 0, 47]
    assert calendar["month"].dt.strftime("%Y-%m-%d %H:%M").tolist() == [
        "2024-11-01 00:00",
        "2024-11-01 00:00",
        "2024-11-01 00:00",
        "2024-12-01 00:00",
    ]
    assert calendar["half"].tolist() == ["first", "first", "first", "second"]


def test_squared_errors_side_by_side():
    shuffled = average_seeds(FORECASTS).sample(frac=1, random_state=1)
    losses = squared_errors(shuffled)
    assert losses.index.is_monotonic_increasing
    assert set(losses.columns) == set(MODELS)
    row = shuffled.iloc[17]
    error = row["y_true"] - row["y_pred"]
    assert losses.loc[row["origin"], row["model"]] == pytest.approx(error**2)


def test_squared_errors_need_one_row_an_origin_and_model():
    message = "should be once per model: one asset, seeds averaged"
    with pytest.raises(ValueError, match=message):
        squared_errors(FORECASTS)
    holed = average_seeds(FORECASTS).iloc[1:]
    message = (
        "forecasts: model persistence: found no forecast for origin 2024-11-20 13:00:00+00:00 (1 "
        "such origins); all models should stand on the same 100 rows"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        squared_errors(holed)
