"""The Makefile, in a project of stub notebooks: with a stub of `dvol` where only the order of
things matters, with the real one where notebooks fail and are killed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from study_files import TINY_STUDY, source_notebook
from trainers import until

from dvol_utils.report.make_rules import make_rules
from dvol_utils.study.files import read_json
from dvol_utils.study.loading import load_study
from dvol_utils.study.settings import parse_settings
from dvol_utils.study.trials import commanded_study

ROOT = Path(__file__).parents[1]
STAGES = ("01_first", "02_second", "03_third")
STUB = """#!/bin/sh
if [ "$1" = hold ]; then while [ "$1" != -- ]; do shift; done; shift; exec "$@"; fi
if [ "$1" = rules ]; then
  [ -f refuses ] && exit 2
  raw=$(cat raw_dir 2>/dev/null)
  while [ $# -gt 0 ]; do [ "$1" = --raw ] && raw=$2; shift; done
  echo "RAW_DIR := $raw"
  exec cat rules
fi
printf '<%s>' "$@" >> calls; echo >> calls
target=reports/tiny/index.html
while [ $# -gt 0 ]; do [ "$1" = --output ] && target=$2; shift; done
mkdir -p "$(dirname "$target")" && echo begun > "$target"
case "$target" in
  *01_first*) [ -f runs/tiny/table ] && ! [ -f moves ] || echo > runs/tiny/table;;
esac
[ "$target" != "$(cat fails 2>/dev/null)" ]
"""

EXECUTED = [f"runs/tiny/notebooks/{stage}.ipynb" for stage in STAGES]
# As `dvol rules` would write them. The third reads a table of the first, and nothing of the second.
RULES = f"""EXECUTED := {" ".join(EXECUTED)}
{EXECUTED[0]}: dvol_utils/data/panel.py $(if $(wildcard runs/tiny/table),,FORCE)
runs/tiny/table: {EXECUTED[0]} ;
{EXECUTED[1]}: runs/tiny/table dvol_utils/jumps/quality.py | {EXECUTED[0]}
{EXECUTED[2]}: runs/tiny/table dvol_utils/samples/samples.py | {EXECUTED[1]}
reports/tiny/index.html: dvol_utils/report/site.py dvol_utils/report/templates/style.css
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
    (tmp_path / "rules").write_text(RULES)
    for module in (
        "data/panel.py",
        "jumps/quality.py",
        "samples/samples.py",
        "report/site.py",
        "cli.py",
        "report/templates/style.css",
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


def make(project, *words, status=0, path=os.environ["PATH"], **variables):
    command = ["make", *words, *(f"{key}={value}" for key, value in variables.items())]
    env = environment() | {"PATH": path}
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, env=env)
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


def test_a_project_that_was_moved_makes_its_environment_anew_once(project):
    """The programs in `.venv` would be those of the folder in which it was made."""
    report(project)
    installer = project / "python"
    installer.write_text('#!/bin/sh\necho "$@" >> made\nprintf "#!/bin/sh\\n" > .venv/bin/pip\n'
                         "chmod +x .venv/bin/pip\n")  # fmt: skip
    installer.chmod(0o755)
    (project / ".venv/.installed").write_text(f"{project}\n")
    assert report(project, PYTHON="./python") == []
    assert not (project / "made").exists()
    moved = project.rename(project.with_name("moved it's"))
    assert report(moved, PYTHON="./python") == []
    assert (moved / "made").read_text() == "-m venv --clear .venv\n"
    assert report(moved, PYTHON="./python") == []
    assert len((moved / "made").read_text().splitlines()) == 1


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


# A folder whose name has the letters of make's option is none of its options.
@pytest.mark.parametrize("words", [[], ["-j4"], ["RAW=of-june"]])
def test_stages_that_do_not_read_from_each_other_run_side_by_side(project, words):
    """Each of the last two ends only once both have begun."""
    (project / "rules").write_text(RULES.replace(f" | {EXECUTED[1]}", ""))
    meets = """case "$target" in *02_second*|*03_third*) touch "$target.begun"; waited=0
until [ -e runs/tiny/notebooks/02_second.ipynb.begun ] &&
      [ -e runs/tiny/notebooks/03_third.ipynb.begun ]
do waited=$((waited + 1)); [ $waited -gt 600 ] && exit 1; sleep 0.1; done;; esac
"""
    (project / "of-june").mkdir()
    cores = project / ".venv/bin/nproc"  # a machine of two, whatever this one has
    cores.write_text("#!/bin/sh\necho 2\n")
    cores.chmod(0o755)
    stub = project / ".venv/bin/dvol"
    stub.write_text(STUB.replace('[ "$target" !=', f'{meets}[ "$target" !='))
    path = f"{cores.parent}:{os.environ['PATH']}"
    first, *ran, last = report(project, *words, path=path)
    assert (first, sorted(ran), last) == (STAGES[0], list(STAGES[1:]), "site")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("notebooks/01_first.ipynb", ["01_first", "site"]),
        ("notebooks/02_second.ipynb", ["02_second", "site"]),
        ("notebooks/03_third.ipynb", ["03_third", "site"]),
        ("dvol_utils/data/panel.py", ["01_first", "site"]),
        ("dvol_utils/jumps/quality.py", ["02_second", "site"]),
        ("dvol_utils/samples/samples.py", ["03_third", "site"]),
        ("runs/tiny/table", [*STAGES[1:], "site"]),
        ("dvol_utils/report/site.py", ["site"]),
        ("dvol_utils/report/templates/style.css", ["site"]),
        ("dvol_utils/cli.py", []),
        ("params/tiny.yaml", []),
        ("runs/tiny/notebooks/02_second.ipynb", ["site"]),
    ],
)
def test_touched_file_runs_the_stages_that_read_it(project, file, expected):
    """A stage that leaves its table as it was costs those after it nothing."""
    report(project)
    time.sleep(0.05)  # file times are no finer than the kernel's tick
    (project / file).touch()
    assert report(project) == expected
    assert report(project) == []


def test_a_table_that_changes_runs_the_stages_that_read_it(project):
    report(project)
    time.sleep(0.05)
    (project / "moves").touch()
    (project / "notebooks/01_first.ipynb").touch()
    assert report(project) == EVERYTHING
    (project / "moves").unlink()
    assert report(project) == []


def test_a_table_that_is_lost_is_made_again(project):
    report(project)
    time.sleep(0.05)
    (project / "runs/tiny/table").unlink()
    assert report(project) == EVERYTHING
    assert report(project) == []


@pytest.mark.parametrize(
    "change", ["params/tiny.yaml", "dvol_utils/cli.py", "notebooks/01_first.ipynb"]
)
def test_the_rules_are_written_anew_when_what_makes_them_changes(project, change):
    report(project)
    (project / "rules").write_text(f"# others\n{RULES}")
    assert report(project) == []
    assert "# others" not in (project / ".venv/.rules/tiny.mk").read_text()
    with (project / change).open("a") as file:
        file.write("\n")
    report(project)
    assert "# others" in (project / ".venv/.rules/tiny.mk").read_text()


@pytest.mark.parametrize("file", ["params/tiny.yaml", "constraints.txt"])
def test_changed_settings_run_everything(project, file):
    report(project)
    with (project / file).open("a") as settings:
        settings.write("# changed\n")
    os.utime(project / ".venv/.installed")
    assert report(project) == EVERYTHING


def test_settings_that_make_no_trial_run_nothing(project):
    """Where they make one, `dvol rules` names another run; the one here names the study's own."""
    report(project)
    assert report(project, SET="training.epochs=100") == []
    assert report(project) == []


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


def test_changed_raw_data_of_the_study_run_everything(project):
    (project / "store").mkdir()
    (project / "store/btc_dvol_hourly.csv").write_text("1\n")
    (project / "raw_dir").write_text("store")
    report(project)
    (project / "store/btc_dvol_hourly.csv").write_text("2\n")
    _, *ran = report(project)  # `dvol data --if-needed` comes first
    assert ran == EVERYTHING


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ("data: {source: raw_store, raw_dir: store}", ""),
        ("data:\n  source: raw_store\n  raw_dir : store", ""),
        ("data:\n  source: raw_store  # raw_dir: elsewhere", ""),
        ("data: {source: raw_store}", "data.raw_dir=store"),
        ("data: {source: simulated}", "data.source=raw_store data.raw_dir = store"),
    ],
)
def test_changed_raw_data_run_everything_however_their_folder_is_named(project, data, settings):
    rest = {key: value for key, value in TINY_STUDY.items() if key != "data"}
    path = project / "params/tiny.yaml"
    path.write_text(f"{yaml.safe_dump(rest)}{data}\n")
    study = load_study(path, parse_settings([settings] if settings else []))
    folder = re.search(r"^RAW_DIR := (.+)$", make_rules(study), re.M)[1]
    (project / "raw_dir").write_text(folder.removesuffix("$()"))
    study.raw_dir.mkdir(parents=True)
    file = study.raw_dir / "btc_dvol_hourly.csv"
    file.write_text("1\n")
    report(project, SET=settings)
    file.write_text("2\n")
    _, *ran = report(project, SET=settings)
    assert ran == EVERYTHING


@pytest.mark.parametrize("slip", [{"RAW": "nowhere"}, {"SET": "training.epoch=3"}])
def test_settings_that_cannot_be_used_cost_no_stage(project, slip):
    report(project)
    (project / "refuses").touch()
    assert report(project, status=2, **slip) == []
    (project / "refuses").unlink()
    assert report(project) == []


def test_a_study_of_a_raw_store_first_fetches_what_it_lacks(project):
    (project / "data/raw").mkdir(parents=True)
    (project / "raw_dir").write_text("data/raw")
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
    report(project, RAW=raw, SET="training.epochs = 3 models=[persistence, har]")
    first = (project / "calls").read_text().splitlines()[0]
    assert first == (
        "<notebook><notebooks/01_first.ipynb><--output><runs/tiny/notebooks/01_first.ipynb>"
        f"<--study><tiny><--raw><{raw}><--set><training.epochs = 3 models=[persistence, har]>"
    )


def test_failed_stage_leaves_no_target_and_stops_the_chain(project):
    (project / "fails").write_text("runs/tiny/notebooks/02_second.ipynb")
    assert report(project, status=2) == ["01_first", "02_second"]
    assert not (project / "runs/tiny/notebooks/02_second.ipynb").exists()
    (project / "fails").unlink()
    assert report(project) == EVERYTHING[1:]


@pytest.mark.parametrize(
    "study",
    [
        "..",
        ".",
        "a b",
        "params/tiny",
        "",
        " ",
        "*",
        "tiny ",
        "t?ny",
        "a'b",
        "a;b",
        "ä",
        "a\nb",
        "tiny.yaml",
    ],
)
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


def test_two_reports_at_once_leave_nothing_that_needs_make_clean(real):
    """The second is told who works there, and the first goes on as if nothing had been."""
    source_notebook(real / "notebooks/01_first.ipynb", WAIT)
    target = "runs/tiny/notebooks/01_first.ipynb"
    with started(real, target) as first:
        said = make(real, target, "STUDY=tiny", status=2)
        who = rf"`make {target} STUDY=tiny` \(process \d+ on .*\) is at work there; wait"
        assert re.search(who, said)
        (real / "go").touch()
        first.communicate()
    assert first.returncode == 0
    assert (real / target).exists()
    assert not (real / "runs/tiny/trials").exists()


def test_settings_make_a_trial_and_the_run_comes_back_without_work(real):
    """Of notebooks and tables; `dvol site` has tests of its own."""
    write = "from pathlib import Path\nfrom dvol_utils.study import open_study, record\n"
    write += "record(open_study(study, overrides), '01_first', {'left': 1})"
    source_notebook(real / "notebooks/01_first.ipynb", write)
    target = "runs/tiny/notebooks/01_first.ipynb"
    make(real, target, "STUDY=tiny")
    before = {path: path.read_bytes() for path in (real / "runs/tiny").rglob("*.*")}
    settings = {"training.epochs": 3}
    trial = commanded_study(real / "params/tiny.yaml", settings).run_dir.relative_to(real)
    tried = f"{trial}/notebooks/01_first.ipynb"
    assert "01_first: running" in make(real, tried, "STUDY=tiny", SET="training.epochs=3")
    assert read_json(real / trial / "manifest.json")["stages"] == {"01_first": {"left": 1}}
    assert {path: path.read_bytes() for path in before} == before
    assert "01_first: running" not in make(real, target, "STUDY=tiny")
    assert "01_first: running" not in make(real, tried, "STUDY=tiny", SET="training.epochs=3")


def test_clean_with_settings_is_refused(project):
    report(project)
    said = make(project, "clean", "STUDY=tiny", SET="training.epochs=3", status=2)
    assert "would remove the study's own run too" in said
    assert (project / "runs/tiny").is_dir()


def test_a_stage_whose_make_was_killed_still_holds_the_run(real):
    source_notebook(real / "notebooks/01_first.ipynb", WAIT)
    target = "runs/tiny/notebooks/01_first.ipynb"
    with started(real, target) as first:
        for process in makes(real):
            os.kill(process, signal.SIGKILL)
        said = make(real, target, "STUDY=tiny", status=2)
        assert "has ended, a process that it started has not; wait for its end" in said
        (real / "go").touch()
        first.communicate()
    until(lambda: not kernels(real), "the end of the stage")
    make(real, target, "STUDY=tiny")


def makes(project):
    """The processes of make that work in the project's folder."""
    return [int(p.name) for p in kernels(project) if (p / "comm").read_text() == "make\n"]


@contextmanager
def started(project, target):
    """Make at work on a notebook that has printed `tick`."""
    process = subprocess.Popen(
        ["make", target, "STUDY=tiny"],
        cwd=project,
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        if not any(line == "tick\n" for line in process.stdout):
            pytest.fail("the notebook never began")
        try:
            yield process
        finally:
            (project / "go").touch()


def interrupt_at_tick(project, target, blow):
    """Start make, wait until the notebook prints `tick`, and signal all of make's group."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # even where tests run aside
    try:
        process = subprocess.Popen(
            ["make", target, "STUDY=tiny"],
            cwd=project,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        if not any(line == "tick\n" for line in process.stdout):
            pytest.fail("the notebook never began")
        os.killpg(process.pid, blow)
        process.stdout.read()
    assert process.returncode != 0
    until(lambda: not kernels(project), "the end of the kernel")


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
