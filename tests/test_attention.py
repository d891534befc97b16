from __future__ import annotations

import dataclasses
import math
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from market import small_jumps, small_panel, small_study
from torch import nn

from dvol_utils.forecasting.forecasters import checkpoint_folder
from dvol_utils.models.attention import (
    AttentionNetwork,
    group_of,
    selection_table,
    selection_weights,
)
from dvol_utils.models.networks import build_network
from dvol_utils.pages import attention_weights
from dvol_utils.plots import training as plots
from dvol_utils.samples.features import feature_columns
from dvol_utils.samples.samples import build_samples
from dvol_utils.study.networks_section import AttentionParams
from dvol_utils.study.params import StudyParams
from dvol_utils.training import fit_network
from dvol_utils.training.checkpoints.networks import save_finished
from dvol_utils.training.forward import predict_rows
from dvol_utils.training.progress import HISTORY
from dvol_utils.training.sequences import build_sequences

WINDOW = 6


def untrained(inputs: int = 5, seed: int = 0, **changes: object) -> AttentionNetwork:
    size = {"hidden_size": 8, "heads": 2, "dropout": 0.1, "window_hours": WINDOW} | changes
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AttentionNetwork(inputs, **size).eval()


def network(inputs: int = 5, seed: int = 0, **changes: object) -> AttentionNetwork:
    """One with numbers where there are zeros at first, with which most formulas would agree."""
    net = untrained(inputs, seed, **changes)
    rng = torch.Generator().manual_seed(seed)
    for value in (net.attention.by_lag, net.selection.score[-1].weight):
        nn.init.normal_(value, generator=rng)
    return net


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def literal_forecast(net: AttentionNetwork, hours: torch.Tensor) -> torch.Tensor:
    """One window's forecast, hour by hour and head by head: (L, F) -> ()."""
    chosen, attention = net.selection, net.attention
    vectors = []
    for hour in hours:
        score = chosen.score(hour)
        weight = torch.exp(score) / torch.exp(score).sum()
        vector = chosen.offset.clone()
        for i, value in enumerate(hour):
            vector += (
                len(hour) * weight[i] * value * chosen.embedding[i] / chosen.embedding[i].norm()
            )
        vectors.append(vector)
    width = len(vectors[-1]) // attention.heads
    rows = [attention.norm(vector) for vector in vectors]
    keys_values = [attention.key_value(row) for row in rows]
    heard = []
    for head in range(attention.heads):
        part = slice(head * width, (head + 1) * width)
        query = attention.query(rows[-1])[part]
        force = [
            torch.exp(query @ kv[part] / math.sqrt(width) + attention.by_lag[head, lag])
            for lag, kv in zip(range(len(rows) - 1, -1, -1), keys_values, strict=True)
        ]
        values = [kv[len(rows[0]) :][part] for kv in keys_values]
        heard.append(sum(f * v for f, v in zip(force, values, strict=True)) / sum(force))

    def gate(branch: torch.Tensor, layer: nn.Linear) -> torch.Tensor:
        value, opening = layer(branch).chunk(2)
        return value / (1 + torch.exp(-opening))

    present = vectors[-1] + gate(torch.cat(heard), net.listen.linear)
    present = present + gate(net.enrich(present), net.refine.linear)
    return net.head(present)[0]


def test_the_chosen_network_is_small():
    inputs = len(feature_columns(AttentionParams().groups))
    network = build_network("attention", inputs, seed=0)
    assert sum(value.numel() for value in network.parameters()) == 3_695


def test_it_begins_with_equal_weights():
    net, x = untrained(), noise(2, 30, 5)
    torch.testing.assert_close(selection_weights(net, x), torch.full((2, 30, 5), 0.2))


def test_a_forecast_is_that_of_the_formulas():
    net, hours = network(), noise(WINDOW, 5)
    torch.testing.assert_close(net(hours[None])[0, 0], literal_forecast(net, hours))


def test_the_hours_after_an_hour_do_not_change_its_forecast():
    net, x = network(), noise(2, 30, 5)
    changed = x.clone()
    changed[:, 20:] += 10
    one, two = net(x, last=25), net(changed, last=25)  # of the hours 5 to 29
    assert torch.equal(one[:, :15], two[:, :15])
    assert (one[:, 15:] != two[:, 15:]).all()


def test_a_forecast_depends_on_its_window_and_on_all_of_it():
    net, x = network(), noise(1, 30, 5)
    for hour in range(30):
        changed = x.clone()
        changed[:, hour] += 1
        same = torch.equal(net(x), net(changed))
        assert same == (hour < 30 - WINDOW), f"hour {hour}"


@pytest.mark.parametrize("window", [3, WINDOW, 10])
def test_long_sequences_give_the_forecasts_of_single_windows(window):
    """Also where the study's windows are shorter or longer than what the network attends to."""
    net, x = network(), noise(2, window - 1 + 20, 5)
    single = torch.cat([net(x[:, i : i + window]) for i in range(20)], dim=1)
    torch.testing.assert_close(net(x, last=20), single)


def test_weights_are_positive_and_sum_to_one_in_every_hour():
    weights = selection_weights(network(), 5 * noise(3, 7, 5))
    assert weights.shape == (3, 7, 5)
    assert (weights > 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 7))


def test_every_parameter_is_learnt():
    """None is unused, which would stop training in several processes."""
    net = network().train()
    net(noise(2, 30, 5), last=25).square().mean().backward()
    for name, value in net.named_parameters():
        assert value.grad.abs().sum() > 0, name


def test_bfloat16_rounds_and_no_more():
    net, x = network(), noise(2, 30, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = net(x, last=25)
    torch.testing.assert_close(low.float(), net(x, last=25), atol=0.05, rtol=0.05)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "hidden_size 8 should be a multiple of heads 3"),
        ({"heads": 0}, "heads 0 should be at least 1"),
        ({"window_hours": 0}, "window_hours 0 should be at least 1"),
        ({"inputs": 0}, "input_size 0 should be at least 1"),
    ],
)
def test_sizes_that_cannot_be(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        untrained(**changes)


@pytest.mark.parametrize(
    ("shape", "last", "message"),
    [
        ((2, 6, 4), 1, r"input has shape \(2, 6, 4\); should be \(B, L, 5\)"),
        ((6, 5), 1, r"input has shape \(6, 5\); should be \(B, L, 5\)"),
        ((2, 6, 5), 7, "last 7 should be 1 to the sequences' 6 hours"),
        ((2, 6, 5), 0, "last 0 should be 1 to the sequences' 6 hours"),
    ],
)
def test_inputs_that_cannot_be(shape, last, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        network()(torch.zeros(shape), last=last)


COLUMNS = feature_columns(["har", "funding"])


@pytest.fixture(scope="module")
def study():
    return small_study(
        **{
            "features.groups": ["har", "funding"],
            "training.epochs": 20,
            "training.patience": 20,
            "training.batch_size": 4,
            "training.learning_rate": 2e-2,
            "training.window_hours": WINDOW,
            "training.precision": "float32",
            "training.devices": "cpu",
        }
    )


@pytest.fixture(scope="module")
def samples(study):
    """A market whose target is one of its inputs, of which the others say nothing."""
    panel = small_panel()
    built = build_samples(panel, small_jumps(panel, study), study)
    rng = np.random.default_rng(0)
    features = built.features.copy()
    features[COLUMNS] = rng.standard_normal((len(features), len(COLUMNS)))
    target = features["gap_24h"].to_numpy() + 0.1 * rng.standard_normal(len(features))
    target[-built.horizon :] = np.nan
    return dataclasses.replace(built, features=features, target=target)


def trained(samples, study, seed: int = 0) -> AttentionNetwork:
    net = untrained(len(COLUMNS), seed)
    fit_network(net, samples, study, seed=seed)
    return net.eval()


@pytest.fixture(scope="module")
def listener(samples, study):
    return trained(samples, study)


def test_the_input_that_matters_gets_the_weight(listener, samples):
    rows = samples.rows("validation")
    table = selection_table([listener], samples, COLUMNS, rows)
    learnt = table[table["jump_regime"] == "all"].set_index("feature")
    assert learnt["weight"].idxmax() == "gap_24h"
    assert learnt["weight"]["gap_24h"] > 0.4
    assert learnt["weight"].drop("gap_24h").max() < 0.2


def test_the_same_seed_learns_the_same_bits_and_another_seed_others(listener, samples, study):
    again, other = trained(samples, study), trained(samples, study, seed=1)
    for name, value in listener.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert not torch.equal(listener.head.weight, other.head.weight)


def test_both_supervisions_forecast_alike(listener, samples, study):
    rows = samples.rows("validation")[:200]
    forecasts = []
    for supervision in ("dense", "last"):
        update = {"supervision": supervision}
        one = study.model_copy(update={"training": study.training.model_copy(update=update)})
        data = build_sequences(samples, one)
        forecasts.append(predict_rows(listener, data, rows, one.training))
    np.testing.assert_allclose(*forecasts, atol=1e-5)


def test_the_table_holds_the_means_of_each_regime(samples):
    nets, rows = [network(len(COLUMNS), seed) for seed in (0, 1)], samples.rows("validation")
    table = selection_table(nets, samples, COLUMNS, rows).set_index(["jump_regime", "feature"])
    assert list(table["group"].iloc[: len(COLUMNS)]) == ["har"] * 6 + ["funding"] * 2
    for regime in ("all", "normal", "jump"):
        wanted = [row for row in rows if regime in ("all", samples.jump_regime[row])]
        mean = np.zeros(len(COLUMNS))
        for row in wanted:
            x = torch.tensor(samples.features[COLUMNS].to_numpy()[row], dtype=torch.float32)
            mean += sum(net.selection.weights(x).detach().numpy() for net in nets) / 2
        expected = mean / len(wanted)
        found = table.loc[regime].loc[COLUMNS]
        np.testing.assert_allclose(found["weight"], expected, rtol=1e-4)
        assert (found["hours"] == len(wanted)).all()
        assert found["weight"].sum() == pytest.approx(1)


def test_a_regime_without_an_hour_has_no_rows(samples):
    normal = np.flatnonzero(samples.jump_regime == "normal")[-50:]
    table = selection_table([network(len(COLUMNS))], samples, COLUMNS, normal)
    assert list(table["jump_regime"].unique()) == ["all", "normal"]


def test_hours_that_cannot_be_tabulated(samples):
    rows = samples.rows("validation")
    with pytest.raises(ValueError, match=r"^0 networks and 3 hours: needs one of each$"):
        selection_table([], samples, COLUMNS, rows[:3])
    holes = samples.features.copy()
    holes.loc[holes.index[rows[1]], "gap_6h"] = np.nan
    broken = dataclasses.replace(samples, features=holes)
    message = re.escape(f"1 hours have a missing input, first {samples.times[rows[1]]}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        selection_table([network(len(COLUMNS))], broken, COLUMNS, rows)


def test_the_table_of_a_study_is_that_of_its_checkpoints(samples, study, tmp_path, monkeypatch):
    """Of every seed that could be trained, in the fold that is asked for."""
    nets = {}

    def forecaster(name: str, study: StudyParams, *, seed: int, fold: int) -> SimpleNamespace:
        empty = untrained(len(COLUMNS), seed=99)
        folder = checkpoint_folder(study, name, seed, fold)
        return SimpleNamespace(network=empty, columns=COLUMNS, checkpoint=folder)

    study = study.model_copy(
        update={
            "models": ["persistence", "attention"],
            "training": study.training.model_copy(update={"seeds": [0, 1, 2]}),
        }
    )
    study._root = tmp_path
    history = [dict.fromkeys(HISTORY, 1.0)]
    for seed in (0, 2):
        nets[seed] = network(len(COLUMNS), seed)
        folder = checkpoint_folder(study, "attention", seed, fold=3)
        folder.mkdir(parents=True)
        save_finished(folder, nets[seed], "of", history, {})
    monkeypatch.setattr(attention_weights, "make_forecaster", forecaster)
    found = attention_weights.study_selection(samples, study, fold=3, failures=["attention seed 1"])
    expected = selection_table(list(nets.values()), samples, COLUMNS, samples.rows("validation"))
    pd.testing.assert_frame_equal(found, expected)
    without = study.model_copy(update={"models": ["persistence"]})
    assert attention_weights.study_selection(samples, without).empty


TABLE = pd.DataFrame(
    {
        "feature": ["nvrv", "gap_6h", "gap_24h"] * 3,
        "group": ["published", "har", "har"] * 3,
        "weight": [0.2, 0.3, 0.5, 0.1, 0.35, 0.55, 0.5, 0.2, 0.3],
        "jump_regime": ["all"] * 3 + ["normal"] * 3 + ["jump"] * 3,
        "hours": [100] * 3 + [75] * 3 + [25] * 3,
    }
)


def test_weights_of_groups_are_sums():
    expected = pd.DataFrame(
        {
            "group": ["published", "har"],
            "inputs": [1, 2],
            "equal_weight": [1 / 3, 2 / 3],
            "mean_weight": [0.2, 0.8],
            "normal_weight": [0.1, 0.9],
            "jump_weight": [0.5, 0.5],
        }
    )
    pd.testing.assert_frame_equal(attention_weights.selection_by_group(TABLE), expected)
    calm = TABLE[TABLE["jump_regime"] != "jump"]
    pd.testing.assert_frame_equal(
        attention_weights.selection_by_group(calm), expected.drop(columns="jump_weight")
    )


def test_the_figure_shows_the_largest_weights_by_regime():
    ax = plots.input_weights(TABLE, largest=2)
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [f"DVOL against its mean of {hours} hours" for hours in (24, 6)]
    dots = {line.get_label(): list(line.get_xdata()) for line in ax.lines}
    assert dots["normal hours"] == pytest.approx([55, 35])
    assert dots["jump hours"] == pytest.approx([30, 20])
    assert ax.get_title(loc="left") == (
        "On average most weight, 50.0 %, goes to DVOL against its mean of 24 hours: 1.5 times an "
        "equal share"
    )


def test_columns_belong_to_their_group():
    assert [group_of(name) for name in ("gap_24h", "week_sin_7", "nvrv")] == [
        "har",
        "calendar",
        "published",
    ]
