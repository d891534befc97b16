"""The commands that `make` is made of: `dvol notebook`, `dvol rules`, `dvol hold`."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from dvol_utils.study.command_line import (
    Raw,
    Settings,
    Study,
    overrides_of,
    study_of,
)
from dvol_utils.study.limits import check_limits
from dvol_utils.study.lock import take_lock

# Heavy imports stand in the commands, as in `cli`.


def notebook_command(
    source: Annotated[Path, typer.Argument(help="The notebook.")],
    study: Study,
    output: Annotated[Path, typer.Option(help="The executed notebook.")],
    raw: Raw = None,
    settings: Settings = None,
) -> None:
    """Run a notebook; the output appears only when every cell has run.

    A trial takes over what its study's run has left of a stage that it does not reach.
    """
    from dvol_utils.report.execute import execute_notebook

    loaded = study_of(study, raw, settings)  # refuses what cannot be used
    if loaded.trial is not None:
        from dvol_utils.report.taken_over import take_over  # the readers of a finished run

        if take_over(source, output, loaded):
            typer.echo(f"{source.stem}: taken over, {loaded.trial.words} does not reach it")
            return
    execute_notebook(source, output, study=study, overrides=overrides_of(study, raw, settings))


def rules_command(study: Study, raw: Raw = None, settings: Settings = None) -> None:
    """Print the rules of Make for a study's stages, which the Makefile includes."""
    from dvol_utils.report.make_rules import make_rules

    typer.echo(make_rules(study_of(study, raw, settings)), nl=False)


def hold_command(
    study: Study,
    command: Annotated[list[str], typer.Argument(help="What is run.")],
    doing: Annotated[str, typer.Option(help="What others are told of it.")],
    raw: Raw = None,
    settings: Settings = None,
) -> None:
    """Become another command, which holds the study's run until it and its processes end."""
    from dvol_utils.report.sound import forget_unsound

    loaded = study_of(study, raw, settings)
    check_limits(loaded.run_dir)
    given = "".join(f' SET="{text}"' for text in settings or [])
    handle = take_lock(loaded.run_dir, f"{doing} STUDY={study}{given}")
    forget_unsound(loaded)
    if handle is not None:
        # The lock outlives this program: it belongs to all that is started from here.
        os.set_inheritable(handle, True)
    for name in ("SIGPIPE", "SIGXFSZ"):  # which Python ignores, and programs would go on to
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    # In its own place: the lock ends with the command, not with this program.
    os.execvp(command[0], command)  # noqa: S606 (Make's own words)
