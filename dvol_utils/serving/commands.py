"""The commands `dvol forecast` and `dvol score`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dvol_utils.study.command_line import study_of, time_of

# Heavy imports stand in the commands: `dvol --help` should answer at once.

FinishedStudy = Annotated[
    str, typer.Option(help="A study that was run: a file of params/, without .yaml.")
]
OtherRaw = Annotated[
    Path | None,
    typer.Option(help="Folder of the raw store; otherwise the one the study was run with."),
]
RunSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="What the trial to serve was run with."),
]
AllowChanged = Annotated[
    bool,
    typer.Option("--allow-changed", help="Take another history or other models, and name them."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def forecast_command(
    study: FinishedStudy,
    raw: OtherRaw = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Moment of the forecast, ISO 8601, UTC; otherwise now."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model of the study; otherwise the best on validation.")
    ] = None,
    max_age: Annotated[
        int, typer.Option(min=0, metavar="HOURS", help="How old the last complete hour may be.")
    ] = 3,
    allow_changed: AllowChanged = False,
    as_json: Json = False,
    settings: RunSettings = None,
) -> None:
    """Forecast DVOL one horizon ahead, from the saved models of a finished study.

    The origin is the last complete hour of the raw store at the moment of the forecast; nothing
    later is used, and of the models the newest that had not seen the origin. Refused, with what to
    do: data older than --max-age, an imputed hour, missing inputs, another history than the one
    that the models learnt from, a study that was not run or whose parameters have changed.

    \b
    Now, once the data are up to date: dvol forecast --study bitcoin
    As of an earlier hour, as JSON:    dvol forecast --study bitcoin --at '2025-09-01 12:00' --json
    Another folder, another model:     dvol forecast --study bitcoin --raw DIR --model har
    """
    from dvol_utils.serving.forecast import forecast as make_forecast
    from dvol_utils.serving.text import forecast_text

    forecast = make_forecast(
        study_of(study, None, settings),
        raw_dir=raw,
        at=time_of(at, "--at"),
        model=model,
        max_age_hours=max_age,
        allow_changed=allow_changed,
    )
    typer.echo(
        json.dumps(forecast, indent=2, allow_nan=False) if as_json else forecast_text(forecast)
    )


def score_command(
    study: FinishedStudy,
    raw: OtherRaw = None,
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="First origin, UTC; otherwise the first after the study's data.",
        ),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Last origin, UTC; otherwise all.")
    ] = None,
    asset: Annotated[
        str | None, typer.Option(help="Another index of the raw store, such as ETH.")
    ] = None,
    in_sample: Annotated[
        bool, typer.Option("--in-sample", help="Also score hours that the models learnt from.")
    ] = False,
    allow_changed: AllowChanged = False,
    as_json: Json = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Also write the scores to a CSV file.")
    ] = None,
    settings: RunSettings = None,
) -> None:
    """Score the saved models of a finished study on data that came later, without any refit.

    Every model and seed of the study, as it was fitted last, forecasts every hour that can be
    scored. Shown are skill against persistence with its interval, errors, direction and the
    Diebold-Mariano p-value, overall and by jump regime. Origins that the models have seen the
    outcome of are refused. The raw store may hold the whole history or only later months.

    \b
    Months after the study:   dvol score --study bitcoin --raw DIR
    From a day on, to a file: dvol score --study bitcoin --raw DIR --from 2025-11-01 --output a.csv
    Another index:            dvol score --study bitcoin --raw DIR --asset ETH
    """
    from dvol_utils.serving.later_scores import score_later
    from dvol_utils.serving.text import score_json, score_text
    from dvol_utils.study.files import replacing

    scores = score_later(
        study_of(study, None, settings),
        raw_dir=raw,
        first=time_of(first, "--from"),
        last=time_of(last, "--to"),
        asset=asset,
        in_sample=in_sample,
        allow_changed=allow_changed,
    )
    if output is not None:
        with replacing(output) as temporary:
            scores.scores.to_csv(temporary, index=False, lineterminator="\n")
    typer.echo(
        json.dumps(score_json(scores), indent=2, allow_nan=False) if as_json else score_text(scores)
    )
