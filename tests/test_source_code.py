"""Marks of the code that learns: they move with what it does, and not with how it is worded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dvol_utils.forecasting.forecasters import make_forecaster
from dvol_utils.study import source_code
from dvol_utils.study.loading import load_study
from dvol_utils.study.model_names import NETWORK_NAMES, SIMPLE_NAMES
from dvol_utils.study.source_code import PACKAGE, changed_code, learning_code
from dvol_utils.training.checkpoints.code import network_code, simple_code

LOOP = "training/loop.py"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's code, to be edited, that takes the package's place for its marks."""
    copy = tmp_path / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(source_code, "PACKAGE", copy)
    return copy


def marks(*modules: str) -> dict[str, str]:
    """Marks of the files as they are now."""
    for remembered in (source_code._mark, source_code.direct_imports):
        remembered.cache_clear()
    return learning_code([f"dvol_utils.{name}" for name in modules or ("training.loop",)])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (LOOP, "params.gradient_clip)", "params.gradient_clip / 2)"),
        (LOOP, "losses.sum() *", "3 * losses.sum() *"),
        (LOOP, "@one_thread()\ndef fit_network", "def fit_network"),
        ("training/devices.py", "processes**0.5", "processes**0.6"),
        ("training/sequences.py", "training.window_hours + 2", "training.window_hours + 3"),
        ("samples/features.py", "def feature_columns(", "MORE = 1\n\n\ndef feature_columns("),
        ("samples/scaling.py", "def scale_features(", "MORE = 1\n\n\ndef scale_features("),
        ("samples/samples.py", 'self.jump_regime == "jump"', 'self.jump_regime != "jump"'),
    ],
)
def test_changed_code_has_another_mark(package, file, old, new):
    before = marks()
    edit(package / file, old, new)
    after = marks()
    assert changed_code(before, after) == file
    assert {name for name in before if before[name] != after[name]} == {file}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (LOOP, '"""Weighted sum of losses', '"""The weighted sum of all losses'),
        (LOOP, "# In float32, so that", "# So that"),
        (LOOP, "size = abs(error)", "size = (\n        abs(error)\n    )"),
        (LOOP, '"the target of {len', '"targets of {len'),
        (LOOP, 'raise TrainingError(\n            f"{what} is', 'raise TrainingError(f"{what}: '),
        ("training/progress.py", "skill {row", "SKILL {row"),
        ("wording/numbers.py", "def duration_text(", "MORE = 1\n\n\ndef duration_text("),
        ("samples/releases.csv", "\n", "\n\n"),
    ],
)
def test_words_comments_and_form_leave_the_mark_as_it_is(package, file, old, new):
    before = marks()
    edit(package / file, old, new)
    assert changed_code(before, marks()) is None


def test_a_module_that_is_new_among_the_imports_is_named(package):
    before = marks()
    (package / "training/extra.py").write_text("FACTOR = 2\n")
    edit(package / LOOP, "import copy\n", "import copy\nfrom dvol_utils.training.extra import F\n")
    assert changed_code(before, marks()) == f"training/extra.py, {LOOP}"


def test_what_each_model_learns_by():
    study = load_study(Path(__file__).parents[1] / "params/smoke.yaml")
    for name in NETWORK_NAMES:
        own = "attention" if name == "attention" else "lstm"
        files = set(network_code(name))
        assert {LOOP, f"models/{own}.py", "models/networks.py", "samples/scaling.py"} < files
        assert not files & {"training/progress.py", "study/params.py", "models/linear.py"}
        assert {"models/attention.py", "models/lstm.py"} & files == {f"models/{own}.py"}
    naive = {"persistence", "seasonal_naive"}
    for name in SIMPLE_NAMES:
        files = set(simple_code(make_forecaster(name, study)))
        own = "trees" if name == "boosted_trees" else "naive" if name in naive else "linear"
        assert {f"models/{own}.py", "samples/features.py"} < files
        assert LOOP not in files


def test_code_that_noted_nothing_is_other_code():
    assert changed_code(None, {LOOP: "0"}) == "none was noted"
    assert changed_code({LOOP: "0"}, {LOOP: "0"}) is None
