"""What the defaults were chosen by: validation rows only, test rows are not touched.

    python benchmarks/choices.py inputs --study bitcoin --raw DIR
    python benchmarks/choices.py rivals --study bitcoin --raw DIR [--set KEY=VALUE ...]
    python benchmarks/choices.py ablation --study bitcoin --raw DIR [--model NAME ...]
    python benchmarks/choices.py importance --study bitcoin --raw DIR [--model NAME ...]
    python benchmarks/choices.py ensemble --study bitcoin
    python benchmarks/choices.py rule --study bitcoin --raw DIR

`inputs` compares feature groups of a published network, fitted once. Prints one row per run and the
mean of each choice: validation skill against persistence, weighted validation loss, seconds.
Supervision and precision are compared by quality.py, the small networks by networks.py.

The others walk models through the validation rows, refitted every quarter; skill is in percent, of
all hours, those of the jump regime and the others. `rivals` changes one value at a time of the
time-weighted ridge and the boosted trees (chosen values: first row). `ablation` leaves out one
group of inputs at a time, or adds one that is not used, and refits. `importance` refits nothing:
it exchanges the inputs' values between the hours of a forecast quarter, in whole days, and prints
the skill that this costs, mean and standard deviation over repeats. `ensemble` combines the
validation forecasts of a finished run with weights more or less equal. An earlier
`split.validation_start` shows how much of it lasts; `data.assets=[ETH]`, elsewhere.

`rule` walks the study's simple models and `lstm_tuned` from `edge.start`, as notebook 12 does (its
table is read where the run has it), and asks how to choose one of them: at each quarter, by the
year before or by all years walked, or not at all but to take the mean of all. Scored is what each
rule would have had in the next quarter, and in the next year. Test rows are dropped first.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import networks
import rules
from dvol_utils.evaluation import score
from dvol_utils.forecasting.combination import combine
from dvol_utils.models import Forecaster
from dvol_utils.models.decay import HALF_LIFE_DAYS, MONTH_EXPIRY, TARGET_CLIP, DecayForecaster
from dvol_utils.models.linear import WeightedRidge
from dvol_utils.models.networks import build_network
from dvol_utils.models.trees import BoostedTrees
from dvol_utils.samples.features import GROUPS, feature_columns
from dvol_utils.samples.folds import fold_rows, fold_samples
from dvol_utils.samples.samples import Samples
from dvol_utils.study.loading import load_study
from dvol_utils.study.networks_section import TunedParams
from dvol_utils.study.params import StudyParams
from dvol_utils.study.settings import parse_settings
from dvol_utils.study.tables import read_table
from dvol_utils.training import fit_network
from networks import WALK, Network, side_by_side, skill, skills, validation_folds

INPUTS = (
    ["published"],
    ["published", "calendar"],
    ["published", "har", "calendar"],
    ["published", "har", "calendar", "market", "funding"],
)
SHRINKAGES = (0.0, 0.3, 1.0, 3.0, 10.0, 1e6)
RIVALS = {
    "ridge_decay": (WeightedRidge, ("har", "calendar")),
    "boosted_trees": (BoostedTrees, ("har", "clock")),
}
EVENTS = {
    "releases, months": [*GROUPS["macro"], *MONTH_EXPIRY],
    "none": [],
    "releases": list(GROUPS["macro"]),
    "releases of a day, months": ["macro_ahead", *MONTH_EXPIRY],
    "months": MONTH_EXPIRY,
    "releases, months, quarters": [*GROUPS["macro"], *GROUPS["expiry"]],
}
OWN_WINDOW = "own 336"  # hours; any other is the target's, for every model
CHOSEN: dict[str, Any] = {
    "half_life": HALF_LIFE_DAYS,
    "window": OWN_WINDOW,
    "events": "releases, months",
    "clip": TARGET_CLIP,
}
VARIED: dict[str, tuple[Any, ...]] = {
    "half_life": (90.0, 180.0, 730.0, 1e5),
    "window": (168, 720),
    "events": tuple(EVENTS)[1:],
    "clip": (1.0, 3.0, 1e5),
}
# Inputs by group; the decay models leave the quarterly expiries out.
EVENT_GROUPS = ("macro", "expiry")
MODELS = {name: (*groups, *EVENT_GROUPS) for name, (_, groups) in RIVALS.items()}
MODELS["lstm_tuned"] = tuple(TunedParams().groups)
UNUSED = ("published", "market", "funding")
ALL_INPUTS = {"features.groups": ["published", "calendar", "market", "funding"]}
DAY = 24


def load(args: argparse.Namespace, overrides: dict[str, Any]) -> tuple[Samples, StudyParams]:
    if args.raw:
        overrides = {**overrides, "data.raw_dir": str(args.raw.resolve())}
    if args.epochs:
        overrides = {**overrides, "training.epochs": args.epochs}
    return networks.load({**overrides, **parse_settings(args.set)}, args.study)


def run(args: argparse.Namespace, overrides: dict[str, Any], seed: int) -> dict[str, float]:
    samples, study = load(args, overrides)
    network = build_network(args.network, len(feature_columns(study.features.groups)), seed)
    started = time.perf_counter()
    history = fit_network(network, samples, study, seed=seed)
    seconds = time.perf_counter() - started
    best = min(history, key=lambda row: row["validation_loss"])
    return {
        "skill": best["validation_skill"],
        "loss": best["validation_loss"],
        "epochs": len(history),
        "seconds": seconds,
    }


def compare_inputs(args: argparse.Namespace) -> None:
    rows = []
    for groups in INPUTS:
        for seed in range(args.seeds):
            found = run(args, {"features.groups": groups}, seed)
            rows.append({"choice": " + ".join(groups), "seed": seed, **found})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).groupby("choice", sort=False)
    print(table[["skill", "loss", "epochs", "seconds"]].mean().round(4).to_string())


def rival_choices() -> Iterator[dict[str, Any]]:
    for model in RIVALS:
        yield {"model": model, **CHOSEN}
        for key, values in VARIED.items():
            for value in values:
                yield {"model": model, **CHOSEN, key: value}


def rival(choice: dict[str, Any]) -> DecayForecaster:
    regression, groups = RIVALS[choice["model"]]
    own = {} if choice["window"] == OWN_WINDOW else {"own_volatility": None}
    return DecayForecaster(
        [*feature_columns(list(groups)), *EVENTS[choice["events"]]],
        regression(),
        half_life_days=choice["half_life"],
        clip=choice["clip"],
        **own,
    )


def compare_rivals(args: argparse.Namespace) -> None:
    table, loaded = [], {}
    for choice in rival_choices():
        window = choice["window"]
        if window not in loaded:
            target = {} if window == OWN_WINDOW else {"target.volatility_window_hours": window}
            loaded[window] = load(args, {**WALK, **target})
        samples, study = loaded[window]
        points, rows = (
            networks.forecast(partial(rival, choice), samples, study),
            samples.rows("validation"),
        )
        right = np.sign(points - samples.dvol[rows]) == np.sign(
            samples.outcome[rows] - samples.dvol[rows]
        )
        table.append({**choice, **skills(samples, rows, points), "direction": 100 * right.mean()})
    print(pd.DataFrame(table).round(2).to_string(index=False))
    print(f"{len(table)} configurations, {len(rows)} hours, scored on validation rows only")


def makers(
    model: str, groups: Sequence[str], study: StudyParams, seeds: int
) -> list[Callable[[], Forecaster]]:
    """How to make a model on some groups of inputs, once for each seed."""
    if model in RIVALS:
        columns = [name for group in groups for name in group_columns(model, group)]
        return [lambda: DecayForecaster(columns, RIVALS[model][0]())]
    section = study.networks.lstm_tuned.model_copy(update={"groups": list(groups)})
    networks_section = study.networks.model_copy(update={model: section})
    own = study.model_copy(update={"networks": networks_section})
    return [partial(Network, model, own, seed) for seed in range(seeds)]


def group_columns(model: str, group: str) -> list[str]:
    months = group == "expiry" and model in RIVALS
    return list(MONTH_EXPIRY) if months else feature_columns([group])


def mean_forecast(
    model: str, groups: Sequence[str], samples: Samples, study: StudyParams, seeds: int
) -> np.ndarray:
    made = makers(model, groups, study, seeds)
    tasks = [partial(networks.forecast, make, samples, study) for make in made]
    return np.mean(side_by_side(tasks), axis=0)


def ablation(args: argparse.Namespace) -> None:
    samples, study = load(args, {**WALK, **ALL_INPUTS})
    rows, table = samples.rows("validation"), []
    for model in args.model:
        groups = MODELS[model]
        sets = {"none": groups}
        sets |= {f"- {left}": [name for name in groups if name != left] for left in groups}
        sets |= {f"+ {added}": (*groups, added) for added in UNUSED}
        for changed, used in sets.items():
            points = mean_forecast(model, used, samples, study, args.seeds)
            table.append({"model": model, "changed": changed, **skills(samples, rows, points)})
        print(f"{model} done", flush=True)
    found = pd.DataFrame(table)
    full = found.groupby("model")["skill"].transform("first")
    print(found.assign(change=found["skill"] - full).round(2).to_string(index=False))
    print(f"{len(found)} configurations, {len(rows)} hours, scored on validation rows only")


def exchanged(
    samples: Samples, rows: np.ndarray, columns: Sequence[str], rng: np.random.Generator
) -> Samples:
    """Samples whose columns hold, at some rows, values of others of these rows.

    Rows are turned by a random number of hours, so that the clock does not stay in step, and then
    change places in blocks of a day, so that a day's values stay together.
    """
    turned = np.roll(rows, rng.integers(len(rows)))
    blocks = np.array_split(turned, np.arange(DAY, len(rows), DAY))
    source = np.concatenate([blocks[place] for place in rng.permutation(len(blocks))])
    features = samples.features.copy()
    places = features.columns.get_indexer(columns)
    features.iloc[rows, places] = features.iloc[source, places].to_numpy()
    return dataclasses.replace(samples, features=features)


def importance(args: argparse.Namespace) -> None:
    samples, study = load(args, WALK)
    tables = [
        cost(samples, study, model, make, args)
        for model in args.model
        for make in [makers(model, MODELS[model], study, args.seeds)]
    ]
    print(pd.concat(tables).round(2).to_string(index=False))
    print(f"{args.repeats} repeats, scored on validation rows only")


def cost(
    samples: Samples,
    study: StudyParams,
    model: str,
    made: Sequence[Callable[[], Forecaster]],
    args: argparse.Namespace,
) -> pd.DataFrame:
    """Points of skill that exchanging a group's or a column's values costs a model."""
    folds = validation_folds(samples, study)
    fitted = [[make() for make in made] for _ in folds]
    for fold, seeds in zip(folds, fitted, strict=True):
        for forecaster in seeds:
            forecaster.fit(fold_samples(samples, fold, study.walk))
    sets = {group: group_columns(model, group) for group in MODELS[model]}
    if model in RIVALS:
        names = [name for group in sets.values() for name in group]
        sets |= {name: [name] for name in names if not name.startswith("week_")}

    def score(columns: Sequence[str], rng: np.random.Generator) -> float:
        parts = []
        for fold, seeds in zip(folds, fitted, strict=True):
            rows = fold_rows(samples, fold)
            other = exchanged(samples, rows, columns, rng)
            asked = fold_samples(other, fold, study.walk)
            parts.append(np.mean([each.predict(asked)[rows] for each in seeds], axis=0))
        return skill(samples, samples.rows("validation"), np.concatenate(parts))

    whole, table = score([], np.random.default_rng(args.seed)), []
    for name, columns in sets.items():
        rng = np.random.default_rng(args.seed)  # the same exchanges for every group and column
        lost = whole - np.array([score(columns, rng) for _ in range(args.repeats)])
        table.append({"model": model, "exchanged": name, "lost": lost.mean(), "sd": lost.std()})
    print(f"{model} done, skill {whole:.2f}", flush=True)
    return pd.DataFrame(table)


def ensemble(args: argparse.Namespace) -> None:
    """How strongly the ensemble's weights are drawn to equal ones, on a finished run's rows."""
    study = load_study(args.study, parse_settings(args.set))
    forecasts = read_table(study, "forecasts")
    validation = forecasts[forecasts["split"] == "validation"]
    members, rows = study.ensemble.members, []
    for chosen in (members, members[:1] + members[2:3], members[:2], members[:3]):
        for shrinkage in SHRINKAGES:
            found = combine(validation, chosen, shrinkage)
            scores = score(pd.concat([validation[validation["model"] == "persistence"], found]))
            skill_pct = 100 * scores.set_index("model").loc["ensemble", "skill"]
            rows.append({"members": ", ".join(chosen), "shrinkage": shrinkage, "skill": skill_pct})
    table = pd.DataFrame(rows).set_index(["members", "shrinkage"])["skill"].unstack()  # noqa: PD010
    print(table.round(2).to_string())


def rule(args: argparse.Namespace) -> None:
    """How a model is best chosen, from walked forecasts before the test."""
    raw = {"data.raw_dir": str(args.raw.resolve())} if args.raw else {}
    study = load_study(args.study, {**raw, **parse_settings(args.set)})
    rows = rules.walked(study)
    taken = rules.decisions(rows, study.edge.start)
    always = [name for name in taken if name.startswith("always ")]
    print(taken.drop(columns=[*always, rules.MEAN]).to_string(index=False))
    print(rules.rewards(rows, taken).round(2).to_string(index=False))
    print(f"{len(taken)} quarters up to {rows['origin'].max()}; no row of the test")


WHAT = {
    "rule": rule,
    "ensemble": ensemble,
    "inputs": compare_inputs,
    "rivals": compare_rivals,
    "ablation": ablation,
    "importance": importance,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=list(WHAT), nargs="?", default="inputs")
    parser.add_argument("--study", default="demo")
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--network", default="lstm_baseline", help="of `inputs`")
    parser.add_argument("--model", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the exchanges")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    WHAT[args.what](args)


if __name__ == "__main__":
    main()
