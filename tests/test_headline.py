from __future__ import annotations

import json

import pandas as pd
import pytest

from dvol_utils.artefacts import ArtefactError
from dvol_utils.results.headline import (
    Results,
    best_models,
    headline_table,
    markdown_table,
    readme_block,
    rewrite_readme,
    written_p,
)


def estimate(value, low=None, high=None):
    return {"estimate": value, "low": low, "high": high}


def model(label, rmse, skill, direction, p, in_mcs):
    return {
        "label": label,
        "rmse": estimate(rmse),
        "r2": estimate(0.96),
        "mae": estimate(1.2),
        "mape": estimate(2.5),
        "skill": estimate(skill, skill - 0.05, skill + 0.05),
        "direction": estimate(direction),
        "dm_p_value": p,
        "in_mcs": in_mcs,
    }


RESULTS = Results.model_validate(
    {
        "study": "tiny",
        "title": "Tiny",
        "simulated": False,
        "parameters_hash": "0123456789ab",
        "test": {
            "start": "2024-11-22T05:00:00+00:00",
            "end": "2025-10-14T23:00:00+00:00",
            "rows": 7843,
        },
        "models": {
            "persistence": model("Persistence", 1.6655, 0.0, None, None, False),
            "har": model("HAR | pipe", 1.6454, 0.0241, 0.55, 0.00004, True),
            "har_calendar": model("HAR + calendar", 1.6454, -0.0004, 0.577, 0.2, True),
        },
        "answer": ["One.", "Two.", "Three."],
    }
)
TABLE = """\
| Model | RMSE, points | R² | MAE, points | MAPE, % | Direction, % | Skill, % (95 % interval) | DM p | In MCS |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | :---: |
| Persistence | 1.665 | **0.9600** | **1.200** | **2.50** | – | 0.0 (−5.0 to 5.0) | – | no |
| HAR \\| pipe | **1.645** | **0.9600** | **1.200** | **2.50** | 55.0 | **2.4** (−2.6 to 7.4) | < 0.001 | yes |
| HAR + calendar | **1.645** | **0.9600** | **1.200** | **2.50** | **57.7** | 0.0 (−5.0 to 5.0) | 0.200 | yes |

*7,843 test hours, origins 2024-11-22 05:00 to 2025-10-14 23:00 UTC*"""  # noqa: E501


def test_table_is_in_the_units_that_are_shown():
    table = headline_table(RESULTS)
    assert table.loc["har", "skill"] == pytest.approx(2.41)
    assert table.loc["har", "skill_low"] == pytest.approx(-2.59)
    assert table.loc["har", "direction"] == pytest.approx(55.0)
    assert table.loc["har", "mape"] == 2.5
    assert pd.isna(table.loc["persistence", ["direction", "dm_p_value"]].astype(float)).all()


def test_best_is_by_what_is_shown_so_that_ties_share_it():
    best = best_models(headline_table(RESULTS))
    assert best["rmse"] == {"har", "har_calendar"}
    assert best["skill"] == {"har"}
    assert best["direction"] == {"har_calendar"}
    assert "dm_p_value" not in best


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.00004, "< 0.001"), (0.001, "0.001"), (0.0316, "0.032"), (1.0, "1.000"), (None, "–")],
)
def test_written_p(p, text):
    assert written_p(float("nan") if p is None else p) == text


def test_markdown():
    assert markdown_table(RESULTS, 0.95) == TABLE


def test_markdown_says_simulated():
    table = markdown_table(RESULTS.model_copy(update={"simulated": True}), 0.95)
    assert table.splitlines()[-1].startswith("*Simulated data: 7,843 test hours")


README = """\
# Title
<!-- results:tiny -->
old
<!-- /results -->
between
<!-- results:other -->
other's
<!-- /results -->
end
"""


def test_readme_gets_the_table_and_keeps_the_rest(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(README)
    rewrite_readme(readme, RESULTS, 0.95)
    assert readme.read_text() == README.replace("old", TABLE)
    assert readme_block(readme, "tiny") == TABLE
    assert readme_block(readme, "other") == "other's"
    rewrite_readme(readme, RESULTS, 0.95)
    assert readme.read_text() == README.replace("old", TABLE)


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "<!-- results:tiny -->\nnever closed\n",
        "<!-- results:tiny -->\nnever closed\n<!-- results:other -->\n<!-- /results -->\n",
    ],
)
def test_readme_without_a_place_is_refused_and_left_alone(tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    assert readme_block(readme, "tiny") is None
    expected = r"README\.md: no place for the table; should have a line <!-- results:tiny --> and"
    with pytest.raises(ArtefactError, match=expected):
        rewrite_readme(readme, RESULTS, 0.95)
    assert readme.read_text() == text


def test_missing_readme_has_no_table(tmp_path):
    assert readme_block(tmp_path / "README.md", "tiny") is None


def test_results_keep_their_numbers_through_json():
    assert Results.model_validate(json.loads(RESULTS.model_dump_json())) == RESULTS
