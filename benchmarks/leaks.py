"""A hunt for leaks on validation rows: what must give no skill gives none, and a leak shows.

    python benchmarks/leaks.py --study bitcoin --raw DIR [--model ridge_decay lstm_tuned ...]

Walks models through the validation rows, refitted every quarter, and alters one thing at a time:

- `target shuffled`: every hour that a model learns from gets the target of another; no skill left.
- `target turned by hours`: targets keep their order and move round by a random number of hours, at
  least a month; no skill left, though the clock may fall in or out of step.
- `target turned by weeks`: by whole weeks. The hour of the week stays right, so the part of the
  skill that is the week's pattern stays.
- `inputs late by N h`: learns and forecasts with the inputs of N hours earlier, the clock's too.
  The level that the change is added to stays that of the origin. One hour costs little.
- `inputs early by N h`: the inputs of N hours later, a leak put there on purpose. At 24 hours they
  see the whole change to be forecast and skill leaps; one hour of it is worth little, so that a
  leak of an hour is for `tests/test_no_lookahead.py` to find.

Skill in percent, mean over repeats where chance plays a part, with the lowest and the highest; of
all hours and of the first and the second half of the validation rows. Test rows are not touched.
What the skill owes to each group of inputs: choices.py ablation.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import networks
from choices import MODELS, group_columns, load, makers
from dvol_utils.samples.samples import Samples
from dvol_utils.study.params import StudyParams
from networks import WALK, side_by_side, skill

MONTH, WEEK = 720, 168  # hours
SHIFTS = (1, 24, -1, -24)  # hours late; early where below zero


def shuffled(learnt: Samples, seed: int) -> Samples:
    rows = learnt.fitting_rows()
    return with_targets(learnt, rows, np.random.default_rng(seed).permutation(rows))


def turned(learnt: Samples, seed: int, *, step: int) -> Samples:
    """Targets moved round the rows by a random multiple of `step` hours, a month at the least."""
    rows = learnt.fitting_rows()
    rows = rows[len(rows) % step :]  # else the hour of the week would slip at the end of the turn
    most = len(rows) - MONTH
    by = step * np.random.default_rng(seed).integers(-(-MONTH // step), most // step + 1)
    return with_targets(learnt, rows, np.roll(rows, by))


def with_targets(learnt: Samples, rows: np.ndarray, source: np.ndarray) -> Samples:
    target = learnt.target.copy()
    target[rows] = learnt.target[source]
    return dataclasses.replace(learnt, target=target)


def late(samples: Samples, hours: int, columns: Sequence[str]) -> Samples:
    """Every row with the inputs of some hours before it; of later hours where below zero."""
    features = samples.features.shift(hours)
    there = features[list(columns)].notna().all(axis=1).to_numpy()
    return dataclasses.replace(
        samples,
        features=features,
        complete=samples.complete & there,
        scored=samples.scored & (there | (samples.split == "validation")),
    )


def unchanged(learnt: Samples, seed: int) -> Samples:
    return learnt


def judged(samples: Samples, runs: Sequence[np.ndarray]) -> dict[str, Any]:
    """Scores of forecasts of the validation rows, one a repeat."""
    rows = samples.rows("validation")
    half = len(rows) // 2
    whole = [skill(samples, rows, points) for points in runs]
    return {
        "repeats": len(runs),
        "skill": np.mean(whole),
        "lowest": min(whole),
        "highest": max(whole),
        "first half": np.mean([skill(samples, rows[:half], points[:half]) for points in runs]),
        "second half": np.mean([skill(samples, rows[half:], points[half:]) for points in runs]),
    }


def hunt(
    model: str, samples: Samples, study: StudyParams, repeats: int, seeds: int
) -> list[dict[str, Any]]:
    columns = [name for group in MODELS[model] for name in group_columns(model, group)]
    made = makers(model, MODELS[model], study, seeds)

    def found(
        name: str, of: Samples, change: Callable[..., Samples] = unchanged, count: int = 1
    ) -> dict[str, Any]:
        tasks = [
            partial(networks.forecast, make, of, study, partial(change, seed=repeat))
            for repeat in range(count)
            for make in made
        ]
        points = np.reshape(side_by_side(tasks), (count, len(made), -1)).mean(axis=1)
        print(f"{model}: {name} done", flush=True)
        return {"model": model, "altered": name, **judged(of, points)}

    return [
        found("nothing", samples),
        found("target shuffled", samples, shuffled, repeats),
        found("target turned by hours", samples, partial(turned, step=1), repeats),
        found("target turned by weeks", samples, partial(turned, step=WEEK), repeats),
        *(
            found(
                f"inputs {'late' if hours > 0 else 'early'} by {abs(hours)} h",
                late(samples, hours, columns),
            )
            for hours in SHIFTS
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="demo")
    parser.add_argument("--raw", type=Path)
    parser.add_argument("--model", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2, help="of the networks")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    args = parser.parse_args(namespace=argparse.Namespace(epochs=None))
    samples, study = load(args, WALK)
    table = [
        row for name in args.model for row in hunt(name, samples, study, args.repeats, args.seeds)
    ]
    print(pd.DataFrame(table).round(2).to_string(index=False))
    print(f"{len(samples.rows('validation'))} hours, scored on validation rows only")


if __name__ == "__main__":
    main()
