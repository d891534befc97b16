"""What Make is told: pages, raw store, and the code and the tables that each stage depends on."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from study_files import TINY_STUDY, source_notebook

from dvol_utils.report.make_rules import make_rules
from dvol_utils.study import tables
from dvol_utils.study.loading import load_study
from dvol_utils.study.params import ParameterError
from dvol_utils.study.settings import parse_settings
from dvol_utils.study.source_code import PACKAGE, imported_files
from dvol_utils.study.stages import STAGES, TABLES, study_notebooks

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def code(notebook: Path) -> str:
    cells = json.loads(notebook.read_text())["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def variable(rules: str, name: str) -> str:
    return re.search(rf"^{name} := ?(.*)$", rules, re.M)[1]


def needs(rules: str, target: str) -> list[str]:
    lines = re.findall(rf"^{re.escape(target)}: (.*)$", rules, re.M)
    return [word for line in lines for word in line.partition(" | ")[0].split()]


@pytest.fixture
def project(tmp_project):
    for stage in STAGES:
        source_notebook(tmp_project / f"notebooks/{stage.name}.ipynb")
    return tmp_project


def rules_of(project: Path, text: str = "", **overrides) -> str:
    with (project / "params/tiny.yaml").open("a") as study:
        study.write(text)
    return make_rules(load_study("tiny", overrides))


ALWAYS = [stage.name for stage in STAGES if stage.name[:2] not in ("07", "08", "09", "12", "13")]
REAL = [name for name in ALWAYS if name != "11_your_own_model"]  # an example, on no real rows


@pytest.mark.parametrize(
    ("lines", "made"),
    [
        ("", []),
        ("horizons: []\n", []),
        ("horizons:  # [] would leave the page out\n  - 1\n", ["08_horizons"]),
        ("horizons: [1, 24]  # hours\n", ["08_horizons"]),
        ("published_page: True\nhorizons : [1]\n", ["07_published_study", "08_horizons"]),
        ("published_page: false\n", []),
    ],
)
def test_pages_that_are_asked_for_however_the_file_is_written(project, lines, made):
    executed = variable(rules_of(project, lines), "EXECUTED").split()
    assert [Path(name).stem for name in executed] == sorted([*ALWAYS, *made])


@pytest.mark.parametrize(
    "assets",
    ["  assets:\n    - BTC\n    - ETH\n", "  assets:  # []\n  - BTC\n  - ETH\n",
     "  assets: [BTC,\n    ETH]\n", "  'assets' : ['BTC', \"ETH\"]\n"],
)  # fmt: skip
def test_the_page_on_several_assets_however_they_are_listed(project, assets):
    rest = {key: value for key, value in TINY_STUDY.items() if key != "data"}
    text = f"{yaml.safe_dump(rest)}data:\n  source: simulated\n{assets}"
    (project / "params/tiny.yaml").write_text(text)
    executed = variable(make_rules(load_study("tiny")), "EXECUTED").split()
    assert [Path(name).stem for name in executed] == sorted([*ALWAYS, "09_assets"])


@pytest.mark.parametrize(
    ("settings", "made"),
    [
        ("horizons=[1]", ["08_horizons"]),
        ("horizons=[1, 24] published_page=true", ["07_published_study", "08_horizons"]),
        ("published_page=True", ["07_published_study"]),
        ("data.assets=[BTC, ETH]", ["09_assets"]),
        ("horizons=[] published_page=no", []),
        ("split.test_end=2021-04-01", ["13_after_the_study"]),
        ("split.test_end=2021-04-01 jumps.rule=published", []),  # no forecasts to use
    ],
)
def test_pages_that_are_asked_for_by_set(project, settings, made):
    executed = variable(rules_of(project, **parse_settings([settings])), "EXECUTED").split()
    assert [Path(name).stem for name in executed] == sorted([*ALWAYS, *made])


@pytest.mark.parametrize(
    ("text", "overrides", "folder"),
    [
        ("data: {source: raw_store, raw_dir: store}", {}, "store"),
        ("data:\n  source: raw_store\n  raw_dir : store  # mine", {}, "store"),
        ("data:\n  source: raw_store", {}, "data/raw"),
        ("'data': {'raw_dir': \"a\\u0062c\", 'source': 'raw_store'}", {}, "abc"),
        ("data:\n  source: raw_store", {"data.raw_dir": "my # store $1"}, "my # store $1"),
        ("data:\n  source: raw_store", {"data.raw_dir": "/my store"}, "/my store"),
        ("data: {source: raw_store}", {"data": {"raw_dir": "$(shell touch pwned)"}},
         "$(shell touch pwned)"),
        ("data: {source: raw_store}", {"data.raw_dir": "a:b%c;d'e\\"}, "a:b%c;d'e\\"),
        ("data: {source: raw_store}", {"data.raw_dir": "a\\#b "}, "a\\#b "),
        ("data: {source: simulated}", {"data.source": "raw_store"}, "data/raw"),
    ],
)  # fmt: skip
def test_make_reads_the_raw_store_however_it_is_named(project, text, overrides, folder):
    rest = {key: value for key, value in TINY_STUDY.items() if key != "data"}
    (project / "params/tiny.yaml").write_text(f"{yaml.safe_dump(rest)}{text}\n")
    rules = project / "rules.mk"
    shown = "$(info RAW<$(RAW_DIR)>EXECUTED<$(words $(EXECUTED))>)\n.PHONY: all\nall: ;\n"
    rules.write_text(make_rules(load_study("tiny", overrides)) + shown)
    command = ["make", "-rs", "-f", str(rules), "all"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.stdout == f"RAW<{folder}>EXECUTED<{len(REAL)}>\n", done.stderr
    assert not (project / "pwned").exists()


@pytest.mark.parametrize("folder", ["a\nreports/tiny/index.html: evil\nevil: ; touch pwned", "a\tb",
                                    "a\rb", "\x1b[2J", "a\x00b", "\u2028", ""])  # fmt: skip
def test_a_raw_store_whose_name_would_be_more_than_a_name_is_refused(project, folder):
    with pytest.raises(ParameterError, match=r"data\.raw_dir: found .*; should be the name of a"):
        load_study("tiny", {"data.source": "raw_store", "data.raw_dir": folder})


def test_a_simulated_market_has_no_raw_store(project):
    assert variable(rules_of(project), "RAW_DIR") == ""


def test_a_project_that_is_moved_keeps_its_rules(project, monkeypatch, tmp_path_factory):
    before = rules_of(project)
    moved = project.rename(tmp_path_factory.mktemp("elsewhere") / "moved")
    monkeypatch.chdir(moved)
    assert make_rules(load_study("tiny")) == before


def test_a_stage_depends_on_the_code_and_the_tables_that_it_reads():
    rules = make_rules(load_study(ROOT / "params/demo.yaml"))
    run = "runs/demo"
    first, jumps = (f"{run}/notebooks/{STAGES[i].name}.ipynb" for i in (0, 1))
    assert f"{run}/panel.parquet" in needs(rules, jumps)
    assert f"{run}/forecasts.parquet" not in needs(rules, jumps)
    assert "dvol_utils/plots/jumps.py" in needs(rules, jumps)
    assert "dvol_utils/plots/jumps.py" not in needs(rules, first)
    assert f"\n{run}/panel.parquet: {first} ;\n" in rules
    card = needs(rules, f"{run}/notebooks/10_model_card.ipynb")
    assert {f"{run}/results.json", first, jumps} <= set(card)
    site = needs(rules, "reports/demo/index.html")
    assert {"dvol_utils/report/site.py", "dvol_utils/report/templates/style.css"} <= set(site)


def test_stages_that_train_networks_wait_for_one_another_and_others_do_not(project):
    end = "split: {validation_start: 2021-03-28, test_start: 2021-04-18, test_end: 2021-04-25}\n"
    more = "horizons: [1]\npublished_page: true\nedge: {start: 2021-03-01}\n"
    study = project / "params/tiny.yaml"
    study.write_text(re.sub(r"(?m)^split:.*\n(?: .*\n)*", "", study.read_text()))
    rules = rules_of(project, end + more)
    lines = re.findall(r"^runs/tiny/notebooks/(\d\d)\S+: [^|\n]*(?:\| (\S+))?$", rules, re.M)
    waits = {stage: Path(other).stem[:2] for stage, other in lines if other}
    assert waits == {"07": "03", "12": "07", "13": "12"}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_stages_say_which_tables_their_notebook_reads_and_leaves(notebook):
    stage = next(stage for stage in STAGES if stage.name == notebook.stem)
    text = code(notebook)
    written = set(re.findall(r'write_table\(study_params, "(\w+)"', text))
    assert written == {table.name for table in stage.tables}
    read = set(re.findall(r'read_table\(study_params, "(\w+)"', text))
    read |= {name for name in ("results.json", "manifest.json") if f'artefact("{name}")' in text}
    assert read <= set(stage.inputs)


def test_what_is_loaded_is_among_what_is_found_by_reading():
    """Notebooks import as Python does, of which reading the text is an imitation."""
    lines = [
        ast.unparse(node)
        for notebook in NOTEBOOKS
        for node in ast.parse(code(notebook)).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    lines += ["import sys", "own = [n for n in sys.modules if n.startswith('dvol_utils')]"]
    lines += ["print([sys.modules[name].__file__ for name in own])"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    loaded = {Path(name).resolve() for name in ast.literal_eval(done.stdout)}
    assert loaded <= set().union(*map(imported_files, NOTEBOOKS))
    assert len(loaded) > 80
    assert all(path.is_relative_to(PACKAGE) for path in loaded)


def test_every_study_of_the_project_has_rules_for_its_notebooks():
    for path in sorted((ROOT / "params").glob("*.yaml")):
        study = load_study(path)
        executed = variable(make_rules(study), "EXECUTED").split()
        assert [Path(name).name for name in executed] == [p.name for p in study_notebooks(study)]


def test_every_stage_has_a_notebook_and_every_table_is_made_from_earlier_ones():
    assert [stage.name for stage in STAGES] == [path.stem for path in NOTEBOOKS]
    made: list[str] = []
    for stage in STAGES:
        made += [table.name for table in stage.tables]
        assert {name for name in stage.inputs if "." not in name} <= set(made)
    assert made == list(TABLES)
    assert tables.sections_of("panel") == ("data",)


def test_a_table_that_a_module_reads_makes_its_stage_run_again():
    table = PACKAGE / "samples/releases.csv"
    assert table in imported_files(PACKAGE / "samples/features.py")
    assert table not in imported_files(PACKAGE / "data/panel.py")


def test_a_room_taken_whole_brings_all_that_it_hands_on(tmp_path):
    asking = tmp_path / "asking.py"
    asking.write_text("from dvol_utils import data\n")
    brought = imported_files(asking)
    nested = (
        "data/panel.py",
        "data/raw/store.py",
        "data/checks/__init__.py",
        "data/checks/ticks.py",
    )
    assert {PACKAGE / name for name in nested} <= brought
