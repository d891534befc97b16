"""The Makefile, in a project of stub notebooks: with a stub of `dvol` where only the order of
things matters, with the real one where notebooks fail and are killed.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from study_files import TINY_STUDY, source_notebook

from dvol_utils.report.site import study_notebooks
from dvol_utils.study.params import load_study

ROOT = Path(__file__).parents[1]
STAGES = ("01_first", "02_second", "03_third")
STUB = """#!/bin/sh
[ "$1" = params ] && exit "$([ -f refuses ] && echo 2 || echo 0)"
printf '<%s>' "$@" >> calls; echo >> calls
target=reports/tiny/index.html
while [ $# -gt 0 ]; do [ "$1" = --output ] && target=$2; shift; done
mkdir -p "$(dirname "$target")" && echo begun > "$target"
[ "$target" != "$(cat fails 2>/dev/null)" ]
"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def project(tmp_path):
    """The project's Makefile and three stub notebooks; whatever runs is noted in `calls`."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "params").mkdir()
    (tmp_path / "params/tiny.yaml").write_text(yaml.safe_dump(TINY_STUDY))
    for stage in STAGES:
        source_notebook(tmp_path / f"notebooks/{stage}.ipynb")
    for module in (
        "data/panel.py",
        "jumps/quality.py",
        "samples/samples.py",
        "report/site.py",
        "cli.py",
        "report/templates/style.css",
        "new_module.py",
    ):
        path = tmp_path / "dvol_utils" / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    stub = tmp_path / ".venv/bin/dvol"
    stub.write_text(STUB)
    stub.chmod(0o755)
    (tmp_path / ".venv/.installed").touch()
    return tmp_path


@pytest.fixture
def real(project):
    """The same with one notebook, with this environment's own `dvol`."""
    shutil.rmtree(project / "dvol_utils")  # or the kernel would import it
    shutil.rmtree(project / ".venv/bin")
    (project / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (project / ".venv/.installed").touch()
    for stage in STAGES[1:]:
        (project / f"notebooks/{stage}.ipynb").unlink()
    return project


def make(project, *words, status=0, **variables):
    command = ["make", *words, *(f"{key}={value}" for key, value in variables.items())]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, env=environment())
    assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
    return done.stdout + done.stderr


def environment():
    """This test may itself run under make, whose settings are not for the make it starts."""
    return {key: value for key, value in os.environ.items() if "MAKE" not in key}


def report(project, *words, **options):
    """What `make report` ran: stages and `site`, in order."""
    calls = project / "calls"
    calls.unlink(missing_ok=True)
    make(project, "report", "STUDY=tiny", *words, **options)
    lines = calls.read_text().splitlines() if calls.exists() else []
    return [Path(line.split("><")[1]).stem if "<notebook>" in line else "site" for line in lines]


EVERYTHING = [*STAGES, "site"]


def test_plain_make_lists_every_target(project):
    shown = make(project)
    for target in (
        "report",
        "data",
        "test",
        "lint",
        "lab",
        "verify",
        "bench",
        "clean",
        "distclean",
    ):
        assert f"make {target} " in shown
    assert "one of: tiny" in shown


def test_second_report_runs_nothing(project):
    assert report(project) == EVERYTHING
    assert report(project) == []


def test_stages_keep_their_order_in_parallel(project):
    assert report(project, "-j4") == EVERYTHING


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("notebooks/01_first.ipynb", EVERYTHING),
        ("notebooks/02_second.ipynb", EVERYTHING[1:]),
        ("notebooks/03_third.ipynb", EVERYTHING[2:]),
        ("dvol_utils/data/panel.py", EVERYTHING),
        ("dvol_utils/new_module.py", EVERYTHING),
        ("dvol_utils/jumps/quality.py", EVERYTHING[1:]),
        ("dvol_utils/samples/samples.py", EVERYTHING[2:]),
        ("dvol_utils/report/site.py", ["site"]),
        ("dvol_utils/report/templates/style.css", ["site"]),
        ("dvol_utils/cli.py", []),
        ("params/tiny.yaml", []),
        ("runs/tiny/notebooks/02_second.ipynb", EVERYTHING[2:]),
    ],
)
def test_touched_file_runs_its_stage_and_those_after(project, file, expected):
    report(project)
    time.sleep(0.05)  # file times are no finer than the kernel's tick
    (project / file).touch()
    assert report(project) == expected
    assert report(project) == []


@pytest.mark.parametrize("file", ["params/tiny.yaml", "constraints.txt"])
def test_changed_settings_run_everything(project, file):
    report(project)
    with (project / file).open("a") as settings:
        settings.write("# changed\n")
    os.utime(project / ".venv/.installed")
    assert report(project) == EVERYTHING


def test_changed_overrides_run_everything(project):
    report(project)
    assert report(project, SET="training.epochs=3") == EVERYTHING
    assert report(project, SET="training.epochs=3") == []
    assert report(project) == EVERYTHING


def test_changed_raw_data_run_everything(project):
    raw = project / "my raw data's"
    raw.mkdir()
    file = raw / "btc_dvol_hourly.csv"
    file.write_text("1\n")
    assert report(project, RAW=raw) == EVERYTHING
    file.touch()
    assert report(project, RAW=raw) == []
    file.write_text("2\n")
    assert report(project, RAW=raw) == EVERYTHING


@pytest.mark.parametrize("line", ["  raw_dir: store", "  raw_dir:   store  # mine"])
def test_changed_raw_data_of_the_study_run_everything(project, line):
    (project / "store").mkdir()
    (project / "store/btc_dvol_hourly.csv").write_text("1\n")
    (project / "params/tiny.yaml").write_text(f"title: T\ndata:\n{line}\n")
    report(project)
    (project / "store/btc_dvol_hourly.csv").write_text("2\n")
    assert report(project) == EVERYTHING


@pytest.mark.parametrize("slip", [{"RAW": "nowhere"}, {"SET": "training.epoch=3"}])
def test_settings_that_cannot_be_used_cost_no_stage(project, slip):
    report(project)
    (project / "refuses").touch()
    assert report(project, status=2, **slip) == []
    (project / "refuses").unlink()
    assert report(project) == []


def test_a_study_of_a_raw_store_first_fetches_what_it_lacks(project):
    (project / "data/raw").mkdir(parents=True)
    (project / "params/tiny.yaml").write_text("title: T\ndata:\n  source: raw_store\n")
    report(project)
    first = (project / "calls").read_text().splitlines()[0]
    assert first == "<data><--study><tiny><--if-needed>"
    assert report(project, RAW="data/raw") == EVERYTHING  # a folder that is named is only read


def test_data_fetches_into_the_folder_that_is_named(project):
    make(project, "data", "STUDY=tiny", RAW="my raw")
    assert (project / "calls").read_text() == "<data><--study><tiny><--raw><my raw>\n"


def test_raw_data_behind_a_link_are_seen(project):
    (project / "store").mkdir()
    (project / "link").symlink_to("store")
    report(project, RAW="link")
    (project / "store/btc_dvol_hourly.csv").write_text("1\n")
    assert report(project, RAW="link") == EVERYTHING


def test_settings_reach_dvol_as_single_words(project):
    raw = project / "my raw data's"
    raw.mkdir()
    report(project, RAW=raw, SET="training.epochs=3 models=[persistence,har]")
    first = (project / "calls").read_text().splitlines()[0]
    assert first == (
        "<notebook><notebooks/01_first.ipynb><--output><runs/tiny/notebooks/01_first.ipynb>"
        f"<--study><tiny><--raw><{raw}><--set><training.epochs=3><--set><models=[persistence,har]>"
    )


def test_failed_stage_leaves_no_target_and_stops_the_chain(project):
    (project / "fails").write_text("runs/tiny/notebooks/02_second.ipynb")
    assert report(project, status=2) == ["01_first", "02_second"]
    assert not (project / "runs/tiny/notebooks/02_second.ipynb").exists()
    (project / "fails").unlink()
    assert report(project) == EVERYTHING[1:]


@pytest.mark.parametrize("study", ["..", ".", "a b", "params/tiny", ""])
def test_study_that_is_no_name_is_refused(project, study):
    assert "should be one name of params/" in make(project, "clean", f"STUDY={study}", status=2)


def test_clean_removes_one_study_and_distclean_all(project):
    report(project)
    for folder in ("runs/other", "reports/other"):
        (project / folder).mkdir()
    (project / "reports/README.md").touch()
    make(project, "clean", "STUDY=tiny")
    assert sorted(os.listdir(project / "runs")) == ["other"]
    assert sorted(os.listdir(project / "reports")) == ["README.md", "other"]
    make(project, "distclean")
    assert os.listdir(project / "reports") == ["README.md"]
    assert not (project / "runs").exists()
    assert not (project / ".venv").exists()


def test_unknown_study_is_refused_and_leaves_nothing(real):
    shown = make(real, "report", "STUDY=none", status=2)
    assert "no study 'none' there; it holds: tiny" in shown
    assert not (real / "runs").exists()


def test_failed_notebook_leaves_no_target_and_is_kept_aside(real):
    source_notebook(real / "notebooks/01_first.ipynb", "raise ValueError('too few rows')")
    shown = make(real, "report", "STUDY=tiny", status=2)
    assert "In [3]: ValueError: too few rows" in shown
    assert "came: runs/tiny/notebooks/01_first.failed.ipynb" in shown
    assert "Traceback" not in shown
    assert os.listdir(real / "runs/tiny/notebooks") == ["01_first.failed.ipynb"]


def test_killed_kernel_leaves_no_target(real):
    kill = "import os, signal\nprint('tick', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"
    source_notebook(real / "notebooks/01_first.ipynb", kill)
    assert "DeadKernelError: Kernel died" in make(real, "report", "STUDY=tiny", status=2)
    assert os.listdir(real / "runs/tiny/notebooks") == ["01_first.failed.ipynb"]


WAIT = """
import os, time
try:
    print('tick', flush=True)
    while not os.path.exists('go'):
        time.sleep(0.05)
except KeyboardInterrupt:
    open('interrupted', 'w').close()
    raise
"""


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_stage_leaves_no_target_and_the_next_run_completes(real, blow):
    source_notebook(real / "notebooks/01_first.ipynb", WAIT)
    target = "runs/tiny/notebooks/01_first.ipynb"
    interrupt_at_tick(real, target, blow)
    assert not (real / target).exists()
    # Ctrl-C reaches the cell itself, which does not run on until its kernel is killed
    assert (real / "interrupted").exists() == (blow == signal.SIGINT)
    (real / "go").touch()
    make(real, target, "STUDY=tiny")
    assert os.listdir(real / "runs/tiny/notebooks") == ["01_first.ipynb"]
    assert "01_first: running" not in make(real, target, "STUDY=tiny")


def interrupt_at_tick(project, target, blow):
    """Start make, wait until the notebook prints `tick`, and signal all of make's group."""
    with subprocess.Popen(
        ["make", target, "STUDY=tiny"],
        cwd=project,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        if not any(line == "tick\n" for line in process.stdout):
            pytest.fail("the notebook never began")
        os.killpg(process.pid, blow)
        process.stdout.read()
    assert process.returncode != 0
    for _ in range(100):
        if not kernels(project):
            return
        time.sleep(0.1)
    pytest.fail("a kernel is still running")


def kernels(project):
    """Processes, of whatever session, that work in the project's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == project.resolve():
                found.append(process)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("study", sorted(path.stem for path in (ROOT / "params").glob("*.yaml")))
def test_make_and_the_site_agree_on_the_pages_of_a_study(study):
    pages = [path.name for path in study_notebooks(load_study(ROOT / f"params/{study}.yaml"))]
    assert [Path(page).name for page in listed("NOTEBOOKS", f"STUDY={study}")] == pages


@pytest.mark.parametrize(
    ("lines", "made"),
    [
        ("", []),
        ("horizons: []\n", []),
        ("horizons: [1, 24]  # hours\n", ["08_horizons"]),
        ("horizons:\n  - 1\n  - 24\n", ["08_horizons"]),
        ("published_page: true\nhorizons: [1]\n", ["07_published_study", "08_horizons"]),
        ("published_page: false\n", []),
    ],
)
def test_some_pages_are_made_only_where_the_study_asks_for_them(project, lines, made):
    for name in ("07_published_study", "08_horizons"):
        source_notebook(project / f"notebooks/{name}.ipynb")
    with (project / "params/tiny.yaml").open("a") as study:
        study.write(lines)
    assert report(project) == [*STAGES, *made, "site"]


def test_every_stage_depends_on_the_modules_that_its_notebook_imports():
    """A module in a later stage's list, or only in the site's, would be changed unnoticed."""
    reached: set[str] = set()
    for notebook in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        reached |= set(listed(f"CODE_{notebook.name[:2]}"))
        missing = {str(path.relative_to(ROOT)) for path in imported(notebook)} - reached
        assert missing == set(), f"Makefile: {notebook.name} uses modules listed later or nowhere"
    site = imported_by(ROOT / "dvol_utils/report/site.py")
    missing = {str(path.relative_to(ROOT)) for path in site} - reached - set(listed("CODE_site"))
    assert missing <= {"dvol_utils/report/execute.py"}


def listed(variable, *words):
    words = ["make", "-s", "--eval", f"show: ; @echo $({variable})", "show", *words]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=True, env=environment()
    )
    return done.stdout.split()


def imported(notebook: Path) -> set[Path]:
    cells = json.loads(notebook.read_text())["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found: set[Path] = set()
    for path in modules_named(ast.parse(code)):
        found |= imported_by(path, found)
    return found


def imported_by(path: Path, found: set[Path] | None = None) -> set[Path]:
    """The module and all of the package that it imports, directly or not."""
    found = set() if found is None else found
    if path not in found:
        found.add(path)
        for other in modules_named(ast.parse(path.read_text())):
            imported_by(other, found)
    return found


def modules_named(tree: ast.AST) -> Iterator[Path]:
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            path = ROOT / f"{name.replace('.', '/')}.py"
            if name.startswith("dvol_utils.") and path.is_file():
                yield path
