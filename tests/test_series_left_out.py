"""Studies whose data lack series: every stage ends, and says what was left out."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml
from bs4 import BeautifulSoup
from study_files import executed_notebook, source_notebook
from test_persistence_alone import STUDY, run_cells
from trainers import TINY

from dvol_utils.data.panel import build_panel
from dvol_utils.data.simulated.market import write_store
from dvol_utils.jumps import jumps_by_rule
from dvol_utils.models.lstm import LADDER
from dvol_utils.pages.front import read_front
from dvol_utils.report.site import build_site
from dvol_utils.study.files import read_json
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import SimulatedParams
from dvol_utils.study.stages import study_stages
from dvol_utils.study.tables import read_table, write_table

STAGES = ("01", "02", "03", "04", "05", "06", "10")
SIMPLE = ["persistence", "seasonal_naive", "har", "ridge_decay"]
WHOLE = [*SIMPLE, "lstm_baseline"]
DVOL, PRICE, FUNDING, CHAIN = "dvol_hourly", "price_hourly", "funding_8h", "onchain_daily"
# Series of the store, columns of the file that hold nothing, keys of the study, models that stay.
CASES = {
    "dvol": ([DVOL], [], {}, SIMPLE),
    "dvol and funding": ([DVOL, FUNDING], [], {"features.groups": ["funding"]}, WHOLE),
    "dvol and price": ([DVOL, PRICE], [], {}, SIMPLE),
    "no transfers": ([DVOL, PRICE, CHAIN], ["transfer_volume_usd"], {}, SIMPLE),
    "no mvrv": ([DVOL, PRICE, CHAIN], ["mvrv", "active_addresses"], {}, SIMPLE),
    "price without chain": ([DVOL, PRICE], [], {"features.groups": ["market", "har"]}, WHOLE),
    "closes alone": (
        [DVOL, PRICE],
        [],
        {
            "data.columns": {
                "dvol": {"dvol_open": None, "dvol_high": None, "dvol_low": None},
                "price": {"open": None, "high": None, "low": None, "quote_volume": None},
            }
        },
        SIMPLE,
    ),
}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A function that writes a study and a raw store with some series, and loads the study."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(LADDER, "lstm_baseline", TINY)
    (tmp_path / "params").mkdir()

    def made(series, empty=(), assets=("BTC",), **changes):
        values = {**STUDY, "models": WHOLE, "training": {"epochs": 1, "seeds": [0]}}
        values["split"] = {"validation_start": "2021-04-20", "test_start": "2021-05-20"}
        values["data"] = {"source": "raw_store", "raw_dir": "store", "assets": list(assets)}
        path = tmp_path / "params/tiny.yaml"
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        study = load_study("tiny", changes)
        simulated = SimulatedParams(hours=4_000, seed=3)
        write_store(study.raw_dir, study.data.model_copy(update={"simulated": simulated}))
        for file in study.raw_dir.glob("*.csv"):
            if not file.stem.endswith(tuple(series)):
                file.unlink()
        for file in study.raw_dir.glob(f"*{CHAIN}.csv"):
            table = pd.read_csv(file)
            table.assign(**dict.fromkeys(empty, "")).to_csv(file, index=False)
        values |= {"data": study.data.model_dump(mode="json", exclude_unset=True)}
        for key, value in changes.items():
            section, _, name = key.partition(".")
            values[section] = {**values.get(section, {}), name: value}
        path.write_text(yaml.safe_dump(values), encoding="utf-8")
        return load_study("tiny")

    return made


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_stage_ends_and_says_what_was_left_out(store, case):
    series, empty, changes, stay = CASES[case]
    study = store(series, empty, **changes)
    shown = {name: run_cells(name) for name in STAGES}
    assert read_table(study, "forecasts")["model"].unique().tolist() == stay
    failures = read_json(study.run_dir / "manifest.json")["stages"]["03_lstm_training"]["failures"]
    assert list(failures) == [f"{name} seed 0" for name in WHOLE if name not in stay]
    assert ("Not trained, and missing from all that follows" in shown["03"]) == bool(failures)
    if PRICE not in series:
        assert "There is no price, or too little of it" in shown["02"]
        assert "There is no price, so the straddle is left out." in shown["06"]
    for column in empty:
        assert column in " ".join(failures.values())


@pytest.mark.slow
def test_an_asset_that_lacks_a_series_leaves_models_out_of_the_pool(store):
    study = store([DVOL, PRICE, CHAIN], assets=["BTC", "ETH"])
    (study.raw_dir / "eth_price_hourly.csv").unlink()
    for name in ("01", "02", "03"):
        run_cells(name)
    assert read_table(study, "forecasts")["model"].unique().tolist() == WHOLE
    shown = run_cells("09")
    assert "ETH, lstm_baseline: reads dvol_rv_spread, and the data holds no price_close" in shown
    assert read_table(study, "assets")["model"].unique().tolist() == ["ridge_decay"]


@pytest.mark.parametrize("minutes", [120, 1_440])
def test_bars_longer_than_an_hour_end_with_the_data_page_and_a_site(store, minutes):
    study = store([DVOL, PRICE], **{"data.price_frequency_minutes": 60})
    hourly = pd.read_csv(study.raw_dir / "btc_dvol_hourly.csv")
    rules = {"open": "first", "high": "max", "low": "min", "close": "last"}
    bars = hourly.groupby(hourly["timestamp"] // (60_000 * minutes) * 60_000 * minutes)
    whole = bars["dvol_close"].size() == minutes // 60
    table = bars.agg({f"dvol_{name}": rule for name, rule in rules.items()})[whole]
    name = "daily" if minutes == 1_440 else f"{minutes}min"
    table.to_csv(study.raw_dir / f"btc_dvol_{name}.csv", index_label="timestamp")
    (study.raw_dir / "btc_dvol_hourly.csv").unlink()
    values = yaml.safe_load((study.root / "params/tiny.yaml").read_text())
    values["data"]["frequency_minutes"] = minutes
    (study.root / "params/tiny.yaml").write_text(yaml.safe_dump(values))
    study = load_study("tiny")
    assert [stage.name for stage in study_stages(study)] == ["01_data_preparation"]
    assert "Fit for the study" in run_cells("01")
    for stage in ("01_data_preparation", "02_jump_detection"):
        source_notebook(study.root / f"notebooks/{stage}.ipynb")
    executed_notebook(study, study.run_dir / "notebooks/01_data_preparation.ipynb", "Data")
    index = BeautifulSoup(build_site(study, read_front).read_text(encoding="utf-8"), "html.parser")
    text = " ".join(index.get_text(" ").split())
    assert f"DVOL comes in bars of {minutes // 60} hours here." in text
    assert "so the study ends with its data page." in text
    assert index.find("table", class_="sortable") is None
    assert [link["href"] for link in index.select("ol.pages a")] == ["01_data_preparation.html"]


@pytest.mark.parametrize("models", [["persistence", "ridge_decay"], ["persistence", "har"]])
def test_a_study_beyond_the_list_of_releases_says_what_it_loses(tmp_path, monkeypatch, models):
    monkeypatch.chdir(tmp_path)
    simulated = {"start": "2026-12-01 00:00", "hours": 2_000, "seed": 3}
    values = {**STUDY, "models": models, "data": {"source": "simulated", "simulated": simulated}}
    values["split"] = {"validation_start": "2027-01-20", "test_start": "2027-02-06"}
    (tmp_path / "params").mkdir()
    (tmp_path / "params/tiny.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    study = load_study("tiny")
    write_store(study.raw_dir, study.data)
    panel = build_panel(study.raw_dir, study.data)
    write_table(study, "panel", panel)
    write_table(study, "jumps", jumps_by_rule(panel, study.jumps))
    shown = run_cells("03")
    told = "The list of releases ends before these hours do (CPI at 2027-01-13 13:30 UTC)"
    assert (told in shown) == ("ridge_decay" in models)
    assert ("CPI 2027-01-13, FOMC 2027-01-27." in shown) == ("ridge_decay" in models)
    assert ("It matters to Time-weighted ridge." in shown) == ("ridge_decay" in models)
