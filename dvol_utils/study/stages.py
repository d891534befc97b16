"""The stages of a study: notebooks, when they are asked for, the tables they leave and from what.

What a page of the report is, what makes a table stale, and what `make report` runs again all follow
from `STAGES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dvol_utils.study.params import StudyParams


@dataclass(frozen=True)
class Table:
    """A table of `runs/<study>/`: the tables it is made from, and sections of the parameters."""

    name: str
    inputs: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """One notebook of a study.

    Attributes
    ----------
    name : str
        The notebook's file name without its ending; also the page's, and the manifest's key.
    tables : tuple of Table
        What it leaves.
    files : tuple of str
        Other files of the run that it leaves.
    reads : tuple of str
        Tables, and `results.json`, that it reads without making a table from them.
    trains : bool
        Whether it may train networks, which take all cores: one such stage runs at a time.
    applies : callable
        Whether a study's parameters ask for it.
    """

    name: str
    tables: tuple[Table, ...] = ()
    files: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    trains: bool = False
    applies: Callable[[StudyParams], bool] = lambda study: True

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every table and file of the run that it reads and does not leave itself."""
        made_from = [name for table in self.tables for name in table.inputs]
        written = {table.name for table in self.tables}
        return tuple(
            name for name in dict.fromkeys([*made_from, *self.reads]) if name not in written
        )


# What features, target and models of a study depend on, beside the data.
_FITTED = (
    *("split", "jumps", "features", "target", "models", "training", "networks", "walk"),
    "evaluation",
)
_TESTED = ("evaluation", "significance", "target")

DATA = Stage("01_data_preparation", (Table("panel", (), ("data",)),))
JUMPS = Stage(
    "02_jump_detection",
    (
        Table("jumps", ("panel",), ("split", "jumps")),
        Table("jumps_price", ("panel",), ("split", "jumps")),
    ),
)
TRAINING = Stage(
    "03_lstm_training",
    (Table("forecasts", ("panel", "jumps"), (*_FITTED, "uncertainty")),),
    trains=True,
)
REGIMES = Stage(
    "04_regime_evaluation",
    (
        Table("metrics", ("forecasts",), ("evaluation",)),
        Table("months", ("forecasts",), _TESTED),
        Table("oracle", ("forecasts",), ("data", "target")),  # empty but for simulated markets
    ),
    reads=("panel",),
)
SIGNIFICANCE = Stage(
    "05_bootstrap_significance",
    (Table("significance", ("forecasts",), ("significance", "target")),),
    files=("results.json",),  # with what the stages before it have found
    reads=("metrics", "months", "oracle", "panel"),
)
TRADING = Stage(
    "06_trading_simulation",
    (Table("trades", ("panel", "forecasts"), ("split", "target", "significance", "trading")),),
)
PUBLISHED = Stage(
    "07_published_study",
    (
        Table(
            "compared",
            ("forecasts",),
            ("data", "split", "features", "target", "training", "judgement"),
        ),
    ),
    reads=("panel", "jumps", "results.json"),
    trains=True,  # the rows of the published protocol
    applies=lambda study: study.published_page,
)
HORIZONS = Stage(
    "08_horizons",
    (Table("horizons", ("panel", "jumps"), (*_FITTED, "significance", "horizons")),),
    applies=lambda study: bool(study.horizons),
)
ASSETS = Stage(
    "09_assets",
    (Table("assets", ("panel", "jumps"), (*_FITTED, "significance")),),
    trains=True,
    applies=lambda study: len(study.data.assets) > 1,
)
YEARS_BEFORE = Stage(
    "12_years_before",
    (
        Table("years", ("panel", "jumps"), (*_FITTED, "uncertainty", "edge")),
        Table("edge", ("years",), ("significance",)),
    ),
    trains=True,
    applies=lambda study: study.edge.start is not None,
)
CARD = Stage(
    "10_model_card",
    (Table("regimes", ("forecasts",), _TESTED),),
    reads=("metrics", "months", "significance", "results.json", "manifest.json"),
)
OWN_MODEL = Stage(
    "11_your_own_model",
    reads=("panel", "jumps", "forecasts"),
    # An example on real test rows would be one more model chosen by them.
    applies=lambda study: study.is_simulated,
)
AFTER = Stage(
    "13_after_the_study",
    tuple(
        Table(name, ("panel", "jumps", "forecasts"), (*_FITTED, "uncertainty", "significance"))
        for name in ("after_forecasts", "after")
    ),
    trains=True,
    applies=lambda study: study.split.test_end is not None and not study.late_rules,
)
STAGES = (
    *(DATA, JUMPS, TRAINING, REGIMES, SIGNIFICANCE),
    *(TRADING, PUBLISHED, HORIZONS, ASSETS, CARD, OWN_MODEL, YEARS_BEFORE, AFTER),
)
TABLES = {table.name: table for stage in STAGES for table in stage.tables}
MADE_BY = {table.name: stage for stage in STAGES for table in stage.tables}


def study_stages(study: StudyParams) -> list[Stage]:
    """The stages that a study's parameters ask for, in their order.

    Jump test and forecasts need hourly returns: with longer bars a study ends with its data page.
    """
    hourly = study.data.step_hours == 1
    return [stage for stage in STAGES if stage.applies(study) and (hourly or stage is DATA)]


def study_notebooks(study: StudyParams) -> list[Path]:
    """The project's notebooks that a study is made of, in their order.

    Notebooks of stages that this package does not know, such as a user's own, are always asked for.
    """
    others = {stage.name for stage in STAGES} - {stage.name for stage in study_stages(study)}
    every = sorted((study.root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return [path for path in every if path.stem not in others]
