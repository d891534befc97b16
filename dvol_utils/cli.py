"""The command `dvol`: run a notebook, build the site, check a run, forecast, score."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dvol_utils.report import make_commands as make
from dvol_utils.serving import commands as serving
from dvol_utils.study.command_line import Raw, Settings, Study, overrides_of, study_of, time_of
from dvol_utils.study.files import explained
from dvol_utils.study.limits import check_limits
from dvol_utils.study.lock import run_lock
from dvol_utils.study.threads import stay_on_one_thread
from dvol_utils.wording.text import printable

# Heavy imports stand in the commands that need them: `dvol --help` should answer at once.
if TYPE_CHECKING:
    from dvol_utils.study.params import StudyParams


class _Commands(TyperGroup):
    """Commands whose errors, where they are the package's own, are one message and status 2."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        stay_on_one_thread()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up as after Ctrl-C
        os.environ.pop("MPLBACKEND", None)  # figures are files here; kernels have their own
        try:
            return super().invoke(ctx)
        except Exception as caught:
            error = explained(caught) if isinstance(caught, OSError) else caught
            if not type(error).__module__.startswith("dvol_utils."):
                raise
            typer.echo(f"dvol: {printable(error)}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

app.command("notebook")(make.notebook_command)
app.command("rules", hidden=True)(make.rules_command)
app.command("hold", hidden=True)(make.hold_command)


@app.command()
def data(
    study: Annotated[
        str, typer.Option(help="A file of params/ that reads a raw store.")
    ] = "bitcoin",
    asset: Annotated[
        str | None, typer.Option(help="Assets, as BTC,ETH; otherwise the study's.")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="First moment wanted, UTC; otherwise all.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last moment wanted, likewise; otherwise until now.")
    ] = None,
    raw: Raw = None,
    settings: Settings = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE=URL", help="deribit, coinmetrics or blockchain elsewhere."),
    ] = None,
    if_needed: Annotated[
        bool,
        typer.Option(help="Only what is missing, or all if the store ends before the study does."),
    ] = False,
) -> None:
    """Fetch the raw store from the public sources, or bring it up to date."""
    from dvol_utils.forecasting.fetch_command import fetch_data

    loaded = _raw_store_study(study, raw, settings)
    fetch_data(
        loaded,
        assets=asset.split(",") if asset else loaded.data.assets,
        start=time_of(first, "--from") or loaded.data.start,
        end=time_of(last, "--to") or loaded.data.end,
        base_urls=base_url or [],
        overrides=overrides_of(study, raw, settings),
        if_needed=if_needed,
        log=typer.echo,
    )


@app.command()
def train(
    study: Study,
    model: Annotated[
        str, typer.Option(help="lstm_baseline, lstm_large, lstm_ultra, lstm_tuned, attention.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Initial weights, order, dropout.")] = 0,
    devices: Annotated[
        str | None, typer.Option(help="auto, cpu, or processes a machine; otherwise the study's.")
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Go on from where a broken training was; otherwise begin anew.")
    ] = True,
    nnodes: Annotated[int, typer.Option(min=1, help="Machines that run this command.")] = 1,
    rendezvous: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="One of them, where they meet.")
    ] = None,
    raw: Raw = None,
    settings: Settings = None,
) -> None:
    """Train one network of a study; what it learns goes to runs/STUDY/checkpoints.

    Panel and jumps are those of the study's run, or are made on the way. A line every second epoch
    goes to the terminal and to the checkpoint's progress.log; curves: make monitor. Killed or
    stopped, the same command goes on from the last kept epoch and ends in the same weights, to the
    bit on a CPU. The study's report then takes the trained network as it is.

    \b
    One machine, all its GPUs, or its CPU:   dvol train --study bitcoin --model lstm_ultra
    Two processes on a CPU:                  ... --devices 2
    Two machines, the same on each, with a shared project folder:
        ... --devices 4 --nnodes 2 --rendezvous first-machine:29500
    Published learning rate on several:      ... --set training.lr_scaling=conservative
    """
    from dvol_utils.forecasting.train_command import train_network
    from dvol_utils.study.command_line import trained_study

    loaded = trained_study(study, raw, settings, model, devices)
    if seed not in loaded.training.seeds:
        typer.echo(
            f"train: seed {seed} is not in training.seeds {loaded.training.seeds}, so the study's "
            "report will not show it",
            err=True,
        )
    check_limits(loaded.run_dir)
    doing = f"dvol train --study {study} --model {model} --seed {seed}"
    try:
        with run_lock(loaded.run_dir, doing, shared=True):  # networks are locked one by one
            config = train_network(
                loaded, model, seed=seed, fresh=not resume, nnodes=nnodes, rendezvous=rendezvous
            )
    except KeyboardInterrupt:
        typer.echo("train: stopped; the same command goes on from the last kept epoch", err=True)
        raise typer.Exit(130) from None
    typer.echo(
        f"train: {model} seed {seed}, {config['parameter_count']:,} parameters, best epoch "
        f"{config['best_epoch']} of {config['epochs']}, validation loss "
        f"{config['validation_loss']:.4f}, in {config['arithmetic']}: {config['folder']}"
    )


app.command("forecast")(serving.forecast_command)
app.command("score")(serving.score_command)


@app.command()
def site(study: Study, raw: Raw = None, settings: Settings = None) -> None:
    """Build the HTML pages from executed notebooks."""
    from dvol_utils.pages.front import read_front
    from dvol_utils.report.site import build_site

    loaded = study_of(study, raw, settings)
    with run_lock(loaded.run_dir, f"dvol site --study {study}"):
        index = build_site(loaded, read_front)
        _tell_other_code("site: ", loaded)
    typer.echo(f"site: {index}")


@app.command()
def compare(
    studies: Annotated[
        list[str],
        typer.Argument(metavar="STUDY", help="Finished ones; a trial is STUDY/trials/HASH."),
    ],
    output: Annotated[
        Path | None, typer.Option(help="The page; otherwise reports/compare-STUDY-STUDY.html.")
    ] = None,
) -> None:
    """Put finished studies side by side on one page, with tests where their rows match."""
    from dvol_utils.report.compare import compare_studies

    typer.echo(f"compare: {compare_studies(studies, output)}")


@app.command()
def params(study: Study, raw: Raw = None, settings: Settings = None) -> None:
    """Show a study's effective parameters, which have no effect in it, and the precision here."""
    from dvol_utils.forecasting.train_command import training_device
    from dvol_utils.study.effective import describe, effective, flat
    from dvol_utils.study.reach import without_effect

    loaded = study_of(study, raw, settings)
    table = describe(loaded)
    idle = without_effect(table["parameter"], flat(effective(loaded)))
    here = table["parameter"] == "training.precision"
    table.loc[here, "value"] += f", on this machine {training_device(loaded)}"
    width = max(map(len, table["parameter"]))
    for row in table.itertuples():
        typer.echo(f"{row.parameter:<{width}}  {row.value}")
        typer.secho(f"{'':<{width}}  {row.meaning}", dim=True)
        if row.parameter in idle:
            typer.secho(f"{'':<{width}}  without effect here: {idle[row.parameter]}", dim=True)


@app.command()
def reference(
    house: Annotated[
        bool, typer.Option("--house", help="Print the picture of the rooms and their imports.")
    ] = False,
) -> None:
    """Print docs/parameters.md: every parameter there is, with its type, range and default."""
    if house:
        from dvol_utils.study.house import house_picture

        typer.echo(house_picture())
        return
    from dvol_utils.study.reference import parameter_reference

    typer.echo(parameter_reference(), nl=False)


@app.command()
def verify(
    study: Study,
    raw: Raw = None,
    settings: Settings = None,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Run it from nothing, and compare all numbers.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="With --rerun: expect these numbers from now on.")
    ] = False,
) -> None:
    """Check a finished run: scores, parameters, raw files, notebooks, README.

    With --rerun the study runs from nothing in runs/.verify, a finished run is left alone, and
    every headline number is compared with params/STUDY.expected.json: bit for bit on the platform
    named there, within stated tolerances elsewhere.
    """
    from dvol_utils.pages.recomputed import recomputed_results
    from dvol_utils.report import expected
    from dvol_utils.report.verify import run_checks
    from dvol_utils.study.params import ParameterError

    loaded = study_of(study, raw, settings)
    if accept and not rerun:
        raise ParameterError("--accept: needs --rerun, whose numbers it accepts")
    checked = loaded
    if rerun:
        if not accept:
            expected.read_expected(loaded)  # refused now rather than after the run
        overrides = overrides_of(study, raw, settings)
        with run_lock(expected.workspace(loaded), f"dvol verify --study {study} --rerun"):
            checked = expected.run_again(loaded, overrides)
    if accept:
        typer.echo(f"verify: {expected.write_expected(loaded, expected.headline_numbers(checked))}")
    checks = run_checks(checked, recomputed_results)
    if rerun:
        table, check = expected.check_numbers(loaded, checked)
        if not table.empty:
            typer.echo(table.to_string(index=False, formatters={"expected": str, "found": str}))
        checks.append(check)
    for check in checks:
        typer.echo(f"{check.name:<10}  {'ok' if check.ok else 'FAILED':<6}  {check.detail}")
    _tell_other_code(f"{'code':<10}  {'note':<6}  ", checked)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command()
def readme(study: Study) -> None:
    """Write the study's results into its blocks of README.md and its picture into docs/.

    The block on what came after the study is written where the run holds that.
    """
    from dvol_utils.report.overview import write_picture
    from dvol_utils.results.readme import after_block, after_name, rewrite_block, rewrite_readme
    from dvol_utils.results.results_json import read_results
    from dvol_utils.study.loading import load_study
    from dvol_utils.study.recorded import recorded_study
    from dvol_utils.study.tables import read_manifest

    loaded = load_study(study)
    recorded = recorded_study(loaded, read_manifest(loaded))
    path = loaded.root / "README.md"
    results = read_results(loaded)
    rewrite_readme(path, results, recorded.significance.coverage)
    after = after_block(recorded)
    if after is not None:
        rewrite_block(path, after_name(recorded.name), after)
    picture = loaded.root / "docs" / f"skill-{loaded.name}.svg"
    write_picture(results, picture)
    typer.echo(f"readme: {path}, {picture}")


def _tell_other_code(before: str, study: StudyParams) -> None:
    """A line where parts of a run were made by other code than this."""
    from dvol_utils.study.made_by import other_code
    from dvol_utils.study.tables import read_manifest

    note = other_code(read_manifest(study), study.root)
    if note is not None:
        typer.echo(f"{before}{note}")


def _raw_store_study(name: str, raw: Path | None, settings: list[str] | None) -> StudyParams:
    from dvol_utils.study.loading import load_study
    from dvol_utils.study.params import ParameterError

    study = load_study(name, overrides_of(name, raw, settings))
    if study.is_simulated:
        raise ParameterError(
            f"study {study.name}: data.source is simulated, so there is nothing to fetch; "
            "choose a study with data.source: raw_store, e.g. bitcoin"
        )
    return study
