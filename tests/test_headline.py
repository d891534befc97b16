from __future__ import annotations

import json

import pandas as pd
import pytest

from dvol_utils.report.overview import _rivals, _skill_axes, skill_figure, write_picture
from dvol_utils.results.headline import best_models, headline_table, markdown_table
from dvol_utils.results.readme import readme_block, rewrite_readme
from dvol_utils.results.results_json import Comparison, Results
from dvol_utils.study.files import ArtefactError


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
        "dm_p_bartlett": None if p is None else p / 2,
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
| Model | Skill, % (95 % interval) | DM p | RMSE, points | MAE, points | Direction, % | MAPE, % | R² | DM p, Bartlett | In MCS |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | :---: |
| Persistence | 0.0 (−5.0 to 5.0) | – | 1.665 | **1.200** | – | **2.50** | **0.9600** | – | no |
| HAR \\| pipe | **2.4** (−2.6 to 7.4) | < 0.001 | **1.645** | **1.200** | 55.0 | **2.50** | **0.9600** | < 0.001 | yes |
| HAR + calendar | 0.0 (−5.0 to 5.0) | 0.200 | **1.645** | **1.200** | **57.7** | **2.50** | **0.9600** | 0.100 | yes |

*7,843 test hours, origins 2024-11-22 05:00 to 2025-10-14 23:00 UTC*"""  # noqa: E501


def test_table_is_in_the_units_that_are_shown():
    table = headline_table(RESULTS)
    assert table.loc["har", "skill"] == pytest.approx(2.41)
    assert table.loc["har", "skill_low"] == pytest.approx(-2.59)
    assert table.loc["har", "direction"] == pytest.approx(55.0)
    assert table.loc["har", "mape"] == 2.5
    assert pd.isna(
        table.loc["persistence", ["direction", "dm_p_value", "dm_p_bartlett"]].astype(float)
    ).all()


def test_best_is_by_what_is_shown_so_that_ties_share_it():
    best = best_models(headline_table(RESULTS))
    assert best["rmse"] == {"har", "har_calendar"}
    assert best["skill"] == {"har"}
    assert best["direction"] == {"har_calendar"}
    assert not {"dm_p_value", "dm_p_bartlett"} & set(best)


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


RULES = RESULTS.model_copy(
    update={
        "persistence_hours": 24,
        "answer": ["Claim.", "Worth.", "Why.", "More."],
        "comparison": Comparison.model_validate(
            {
                "test": {
                    "start": "2024-12-23T06:00:00+00:00",
                    "end": "2025-10-13T23:00:00+00:00",
                    "rows": 6869,
                },
                "forecasts": [
                    {
                        **model("Published", 2.57, 0.0, None, None, False),
                        "skill": estimate(-1.43),
                        "consecutive": estimate(0.4998),
                    },
                    {
                        **model("Persistence, 24 h", 1.65, 0.0, None, None, False),
                        "skill": estimate(0.0, 0.0, 0.0),
                        "consecutive": estimate(0.51),
                    },
                    {
                        **model("Leak-free | ridge", 1.64, 0.01, 0.55, None, False),
                        "consecutive": estimate(None),
                    },
                ],
            }
        ),
    }
)
COMPARED = """\
| Forecast | RMSE, points | R² | MAE, points | MAPE, % | Direction, % | Consecutive direction, % | Skill, % (95 % interval) |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| Published | 2.570 | 0.9600 | 1.200 | 2.50 | – | 50.0 | −143.0 |
| Persistence, 24 h | 1.650 | 0.9600 | 1.200 | 2.50 | – | 51.0 | 0.0 (0.0 to 0.0) |
| Leak-free \\| ridge | 1.640 | 0.9600 | 1.200 | 2.50 | 55.0 | – | 1.0 (−4.0 to 6.0) |

*6,869 test hours, origins 2024-12-23 06:00 to 2025-10-13 23:00 UTC; skill against persistence, DVOL 24 hours before the target*

- Claim.
- Worth.
- Why."""  # noqa: E501


def test_a_study_of_the_published_rules_has_its_own_block(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(README)
    rewrite_readme(readme, RULES, 0.95)
    assert readme_block(readme, "tiny") == COMPARED
    assert readme.read_text() == README.replace("old", COMPARED)


def test_the_figure_reaches_the_published_skill_and_marks_what_lies_beyond():
    far = estimate(-3.0, -3.5, -2.5)
    worse = {**RULES.comparison.forecasts[2].model_dump(), "label": "Far", "skill": far}
    comparison = Comparison.model_validate(
        {
            "test": RULES.comparison.test.model_dump(),
            "forecasts": [*(f.model_dump() for f in RULES.comparison.forecasts), worse],
        }
    )
    results = RULES.model_copy(update={"comparison": comparison})
    ax = _skill_axes(results, _rivals(results))
    assert -170 < ax.get_xlim()[0] < -143
    texts = [text.get_text() for text in ax.texts]
    assert "−143.0 %" in texts
    assert "−300.0 %" in texts
    assert "◂ off scale" in texts
    assert "Persistence, 24 h" not in [tick.get_text() for tick in ax.get_yticklabels()]
    figure = skill_figure(RULES, 0.95)
    assert "against persistence, DVOL 24 hours before the target" in figure["caption"]
    assert "Published −143.0;" in figure["alt"]


def test_persistence_alone_has_no_figure(tmp_path):
    alone = RESULTS.model_copy(update={"models": {"persistence": RESULTS.models["persistence"]}})
    assert skill_figure(alone, 0.95) is None
    with pytest.raises(ArtefactError, match="nothing to draw, persistence is the study's only"):
        write_picture(alone, tmp_path / "skill.svg")
    assert markdown_table(alone, 0.95).count("Persistence") == 1


def test_missing_readme_has_no_table(tmp_path):
    assert readme_block(tmp_path / "README.md", "tiny") is None


def test_results_keep_their_numbers_through_json():
    assert Results.model_validate(json.loads(RESULTS.model_dump_json())) == RESULTS
