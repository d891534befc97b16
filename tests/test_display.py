from __future__ import annotations

import base64
import io

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from bs4 import BeautifulSoup
from study_files import HOSTILE, code_cell

from dvol_utils.report import display
from dvol_utils.study.effective import describe
from dvol_utils.study.loading import load_study
from dvol_utils.study.trials import open_study


def shown(call) -> BeautifulSoup:
    """What a call displays, parsed."""
    (output,) = code_cell("", call).outputs
    return BeautifulSoup(output.data["text/html"], "html.parser")


def test_table_escapes_and_rounds():
    frame = pd.DataFrame({"name": [HOSTILE], "value": [-1.23456], "count": [3], "none": [np.nan]})
    table = shown(lambda: display.table(frame, HOSTILE, decimals=2)).table
    assert table.caption.text == HOSTILE
    assert [cell.text for cell in table.tbody.find_all("td")] == [HOSTILE, "−1.23", "3", "–"]
    assert table.find_all(["script", "b"]) == []


def test_percentages_have_decimals_that_mean_something():
    frame = pd.DataFrame(
        {
            "skill, %": [-291.583, 7.273],
            "share_pct": [0.8097, 1.7584],
            "rmse": [1.6054, 2.0],
            "lag_hours": [-24, 1000],
            "kept": [True, False],
            "gain, %": ["2.4 (1.0 to 3.8)", "–"],
        }
    )
    rows = shown(lambda: display.table(frame, "c"))
    cells = [[cell.text for cell in row.find_all("td")] for row in rows.tbody.find_all("tr")]
    assert cells == [
        ["−291.6", "0.81", "1.605", "−24", "yes", "2.4 (1.0 to 3.8)"],
        ["7.3", "1.76", "2.000", "1,000", "no", "–"],
    ]
    exact = shown(lambda: display.table(frame[["share_pct"]], "c", percent_decimals=4))
    assert [cell.text for cell in exact.tbody.find_all("td")] == ["0.8097", "1.7584"]
    coarse = shown(lambda: display.table(frame[["share_pct"]], "c", decimals=0))
    assert [cell.text for cell in coarse.tbody.find_all("td")] == ["1", "2"]


def test_table_shows_times_to_the_minute_and_leaves_the_frame_alone():
    times = pd.to_datetime(["2024-11-22 05:00", None], utc=True)
    frame = pd.DataFrame({"time": times, "naive": times.tz_localize(None), "text": "2024"})
    before = frame.copy()
    rows = shown(lambda: display.table(frame, "c")).tbody.find_all("tr")
    assert [[cell.text for cell in row.find_all("td")] for row in rows] == [
        ["2024-11-22 05:00", "2024-11-22 05:00", "2024"],
        ["–", "–", "2024"],
    ]
    pd.testing.assert_frame_equal(frame, before)


def test_figure_is_embedded_with_caption_and_alt_and_then_closed():
    ax = plt.figure(figsize=(2, 1)).add_subplot()
    figure = shown(lambda: display.figure(ax, HOSTILE, f'A "line" {HOSTILE}')).figure
    assert figure.figcaption.text == HOSTILE
    assert figure.img["alt"] == f'A "line" {HOSTILE}'
    assert figure.find(["script", "b"]) is None
    height, width, _ = read(figure.img["src"]).shape
    assert width > height > 50
    assert (figure.img["width"], figure.img["height"]) == (
        str(round(100 * width / 144)),
        str(round(100 * height / 144)),
    )
    assert plt.get_fignums() == []


def read(source: str) -> np.ndarray:
    kind, _, image = source.partition(",")
    assert kind == "data:image/png;base64"
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(image)))


def test_a_figure_has_a_narrow_and_a_dark_picture_for_screens_alone():
    ax = plt.figure(figsize=(7, 2)).add_subplot()
    ax.plot([1, 2], color="black")
    figure = shown(lambda: display.figure(ax, "c", "a")).figure
    sources = {source["media"]: source for source in figure.picture.find_all("source")}
    assert list(sources) == [
        "screen and (prefers-color-scheme: dark) and (max-width: 600px)",
        "screen and (max-width: 600px)",
        "screen and (prefers-color-scheme: dark)",
    ]
    assert all(int(source["width"]) < 400 for place, source in sources.items() if "600" in place)
    light, dark = read(figure.img["src"]), read(list(sources.values())[2]["srcset"])
    assert light.shape == dark.shape
    assert light[0, 0, :3].min() > 0.97
    assert dark[0, 0, :3].max() < 0.15
    assert dark[..., :3].min(axis=2).max() > 0.9  # what was black


def test_figure_is_the_same_bytes_twice():
    def draw():
        ax = plt.figure(figsize=(2, 1)).add_subplot()
        ax.plot([1, 2])
        return str(shown(lambda: display.figure(ax, "c", "a")))

    assert draw() == draw()


def test_header_says_simulated_and_every_parameter(tmp_project):
    study = load_study("tiny")
    header = shown(lambda: display.study_header(study))
    assert header.select_one(".study").text == "Tiny <study> & market (tiny)"
    assert header.select_one(".simulated").text == display.SIMULATED_NOTICE
    assert header.details.has_attr("open") is False
    names = [row.td.text for row in header.tbody.find_all("tr")]
    assert names == list(describe(study)["parameter"])


def test_header_of_real_data_says_nothing_of_simulation(tmp_project):
    study = load_study("tiny", {"data.source": "raw_store"})
    header = shown(lambda: display.study_header(study))
    assert header.select(".simulated") == []
    assert display.SIMULATED_NOTICE not in header.text


def test_header_of_a_trial_says_what_was_changed_and_where_it_goes(tmp_project):
    study = open_study("tiny", {"jumps.alpha": 0.05, "training.seeds": [2]})
    said = shown(lambda: display.study_header(study)).select_one(".trial").text
    assert said == (
        "Trial: jumps.alpha is 0.05 in place of 0.01; training.seeds is [2] in place of [0, 1]. "
        "What this notebook makes goes to "
        f"runs/tiny/trials/{study.trial.name}; the study's run and its pages stay as they are."
    )
    run = shown(lambda: display.study_header(open_study("tiny")))
    assert run.select(".trial") == []


def test_answer_is_markdown():
    (output,) = code_cell("", lambda: display.answer("**4.2 %**")).outputs
    assert output.data["text/markdown"] == "**4.2 %**"


def test_a_table_without_rows_is_words():
    (output,) = code_cell("", lambda: display.table(pd.DataFrame({"a": []}), "Pairs")).outputs
    assert output.data["text/html"] == "<p>Pairs: none in this study.</p>"
