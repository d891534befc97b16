"""What the trading simulation found, in words made from its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from dvol_utils.study.model_names import label
from dvol_utils.study.params import StudyParams
from dvol_utils.trading.backtest import DAYS_PER_YEAR
from dvol_utils.trading.costs import FEES_UNTIL, FUTURES, PAPER_INDEX, STRADDLE, cost_parts
from dvol_utils.wording.numbers import MISSING, coverage_text, day, hours_text, number
from dvol_utils.wording.text import listed

LABELS = {
    PAPER_INDEX: "paper index (not tradable)",
    FUTURES: "DVOL-futures proxy",
    STRADDLE: "straddle, approximated",
    "flat": "Flat",
    "always_short": "Always short",
    "momentum": "Momentum",
    "reversal": "Reversal",
    "mean": "mean of four rules",
    "sign": "sign",
    "scaled": "scaled sign",
    "interval_50": "50 % interval",
    "interval_90": "90 % interval",
    "none": MISSING,
}
_SURE = 0.95  # probability that a Sharpe ratio is more than the luck of several trials
_ENOUGH = 30  # days with a position; below that no interval of a Sharpe ratio is to be trusted


def trading_answer(
    results: pd.DataFrame,
    strategy: tuple[str, str],
    gains: Mapping[str, Mapping[str, float]],
    chance: Mapping[str, Mapping[str, float]],
    study: StudyParams,
) -> list[str]:
    """Whether anything survives realistic costs.

    Parameters
    ----------
    results : DataFrame
        `summary` of the test rows at the study's costs, one row per instrument and strategy.
    strategy : (model, rule)
        The model chosen on validation rows and the mean rule.
    gains : mapping
        `annual_gains` of the strategy.
    chance : mapping
        `deflated` of the strategy by instrument.
    study : StudyParams

    Returns
    -------
    list of str
        Which strategy; one sentence per instrument; others that earn; whether anything survives.
    """
    model, rule = strategy
    mine = results[(results["model"] == model) & (results["rule"] == rule)]
    where = "In the simulated market, on" if study.is_simulated else "On"
    first = (
        f"{where} the test rows, {label(model)} is traded by the {LABELS[rule]}, at a half-spread "
        f"of {study.trading.half_spread:g} points and a fill "
        f"{hours_text(study.trading.delays_hours[0])} after the forecast."
    )
    rows = [
        _instrument_sentence(row, gains[row.instrument], chance[row.instrument], study)
        for row in mine.itertuples()
    ]
    # The paper index cannot be traded, and proves nothing.
    tradable = results[(results["instrument"] != PAPER_INDEX) & (results["sharpe_low"] > 0)]
    by_rule = tradable[(tradable["model"] == model) & (tradable["rule"] == rule)]
    sure = [name for name in by_rule["instrument"] if chance[name]["probability"] >= _SURE]
    return [
        first,
        *rows,
        _others_sentence(results, tradable),
        _verdict(results, mine, list(by_rule["instrument"]), sure, study),
    ]


def foresight_sentence(study: StudyParams) -> str:
    """A warning where a study's forecasts could not have been traded; empty where they could."""
    target, delay = study.target, study.trading.delays_hours[0]
    if _knows_target(study):
        return (
            "**Not a simulation of what could have been done:** this study's forecasts are mapped "
            "back to points with a mean and a deviation that include the target hour, which nobody "
            "knows at the origin."
        )
    if target.horizon_hours <= delay:
        return (
            f"**Not worth trading:** the forecasts reach {hours_text(target.horizon_hours)} ahead "
            f"and are filled {hours_text(delay)} later, when the hour they are about is over."
        )
    return ""


def fees_sentence(last: pd.Timestamp, study: StudyParams) -> str:
    """Which of Deribit's regimes of fees is assumed, where hours up to `last` reach beyond it."""
    if study.is_simulated or last < FEES_UNTIL:
        return ""
    return (
        f"**Fees of another time:** Deribit has new fees since {day(FEES_UNTIL)}, and these rows "
        f"reach to {day(last)}. The costs are those before; `trading.straddle_fee` takes others."
    )


def _knows_target(study: StudyParams) -> bool:
    return study.target.kind == "scaled_level" and study.target.scaled_at == "target"


def _instrument_sentence(
    row: tuple, gains: Mapping[str, float], chance: Mapping[str, float], study: StudyParams
) -> str:
    name = LABELS[row.instrument]
    name = name[0].upper() + name[1:]
    if row.in_market == 0:
        return f"{name}: no position was taken."
    cover = coverage_text(study.significance.coverage)
    text = (
        f"{name}: {return_text(row)} after costs ({number(row.annual_gross, '.1f')} % a year "
        f"before). After costs, {_ranges(gains)}. Sharpe ratio "
        f"{number(row.sharpe, '.2f')}, {cover} interval {number(row.sharpe_low, '.2f')} to "
        f"{number(row.sharpe_high, '.2f')}. {_break_even_text(row, study)}"
    )
    if pd.isna(chance["probability"]):
        return text
    return (
        f"{text} Probability of more than the luck of {chance['trials']} trials: "
        f"{number(chance['probability'], '.2f')}."
    )


def return_text(row: tuple) -> str:
    """What a back-test earned in its days, and what that is a year, from a row of `summary`."""
    days = DAYS_PER_YEAR * row.years
    return (
        f"{number(row.annual_return * row.years, '+.1f')} % of capital over {days:.0f} days "
        f"({number(row.annual_return, '+.1f')} % a year)"
    )


def _break_even_text(row: tuple, study: StudyParams) -> str:
    """What a side could cost before the gain is gone, and what it does cost, by its parts."""
    if not row.annual_gross > 0:
        return "It loses before any cost."
    # Cost over gross is paid over break-even: both are points by the same position.
    paid = row.break_even * row.annual_cost / row.annual_gross
    parts = cost_parts(row.instrument, paid, study.trading)
    made = listed([f"{number(value, '.2f')} {name}" for name, value in parts.items()])
    return (
        f"A cost of {number(row.break_even, '.2f')} points a side takes the whole gain, and "
        f"{number(paid, '.2f')} is paid: {made}."
    )


def _ranges(gains: Mapping[str, float]) -> str:
    """Gains after costs, lowest to highest, by single rules and, where known, at other hours."""
    ranges = []
    for key, text in {"rules": "single rules return", "hours": "hours of decision"}.items():
        if f"{key}_lowest" in gains:
            ends = (number(gains[f"{key}_{end}"], ".1f") for end in ("lowest", "highest"))
            ranges.append(f"{text} {' to '.join(ends)} %{' a year' if not ranges else ''}")
    return ", ".join(ranges)


def _others_sentence(results: pd.DataFrame, sure: pd.DataFrame) -> str:
    tradable = results[results["instrument"] != PAPER_INDEX]
    where = _listed(tradable["instrument"].unique())
    said = (
        f"Of all {len(tradable)} back-tests on {where}, benchmarks included, {len(sure) or 'none'} "
        f"{'has' if len(sure) < 2 else 'have'} an interval of the Sharpe ratio above zero."
    )
    others = [f"{_name(row)} on the {_listed([row.instrument])}." for row in sure.itertuples()]
    return " ".join([said, *others])


def _name(row: tuple) -> str:
    rule = f" ({LABELS[row.rule]})" if row.rule != "none" else ""
    return f"{LABELS.get(row.model) or label(row.model)}{rule}"


def _verdict(
    results: pd.DataFrame,
    mine: pd.DataFrame,
    beyond: list[str],
    sure: list[str],
    study: StudyParams,
) -> str:
    """The closing sentence; `beyond`: interval above zero, `sure`: more than the trials' luck."""
    text = f"the {_claim(results, mine, beyond, sure, study)}."
    if _knows_target(study):
        text = f"with what nobody knows at the origin, {text}"
    if study.is_simulated:
        text = f"in the simulated market, {text}"
    return f"**{text[0].upper()}{text[1:]}**"


def _claim(
    results: pd.DataFrame,
    mine: pd.DataFrame,
    beyond: list[str],
    sure: list[str],
    study: StudyParams,
) -> str:
    costs = "realistic costs" if study.trading.half_spread > 0 else "costs without a spread"
    if (mine["in_market"] == 0).all():
        return "forecast led to no position, so there is nothing that costs could take"
    held = mine["days"] * mine["in_market"]
    # Days count by the size of their position, as `in_market` does.
    most = round(held[mine["instrument"].isin(beyond)].max()) if beyond else 0
    if 0 < most < _ENOUGH:
        return (
            f"forecast earns after {costs} on the {_listed(beyond)}, but in too few trades "
            f"({most}) to tell that from luck"
        )
    if sure:
        return (
            f"forecast survives {costs} on the {_listed(sure)}, as far as this approximation goes"
            f"{_rivals(results, mine, sure)}"
        )
    if beyond:
        return (
            f"forecast earns after {costs} on the {_listed(beyond)}, but not beyond the luck of "
            f"the configurations tried{_rivals(results, mine, beyond)}"
        )
    earning = mine[(mine["instrument"] != PAPER_INDEX) & (mine["annual_return"] > 0)]
    if len(earning):
        return (
            f"forecast is not shown to survive {costs}: the gain on the "
            f"{_listed(earning['instrument'])} is within what chance would bring"
        )
    return f"forecast does not survive {costs} on any instrument that could be traded"


def _rivals(results: pd.DataFrame, mine: pd.DataFrame, instruments: list[str]) -> str:
    """Rules without a model that have as good a Sharpe ratio where the forecast earns."""
    sharpes = dict(zip(mine["instrument"], mine["sharpe"], strict=True))
    names = [
        f"{_name(row)} on the {_listed([row.instrument])}"
        for row in results[results["rule"] == "none"].itertuples()
        if row.instrument in instruments and row.sharpe >= sharpes[row.instrument]
    ]
    return f". A rule without a model does as well: {', '.join(names)}" if names else ""


def _listed(instruments: Iterable[str]) -> str:
    prose = LABELS | {STRADDLE: "approximated straddle"}
    return " and ".join(prose[name] for name in instruments)
