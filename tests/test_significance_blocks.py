"""Own arithmetic that saves a wait has the bits of the library that it stands for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import optimal_block_length
from statsmodels.stats.multitest import multipletests

from dvol_utils.significance.blocks import politis_white
from dvol_utils.significance.regimes import holm


@pytest.mark.parametrize("rows", [30, 500, 3_000])
@pytest.mark.parametrize("overlap", [1, 24])
def test_block_lengths_are_those_of_arch(rows, overlap):
    shocks = np.random.default_rng(rows).standard_t(3, size=rows + overlap - 1)
    for series in (np.convolve(shocks, np.ones(overlap), "valid"), np.cumsum(shocks)):
        expected = optimal_block_length(series)["stationary"].iloc[0]
        assert politis_white(series) == expected


def test_holms_correction_is_that_of_statsmodels():
    drawn = np.random.default_rng(0)
    for count in range(1, 12):
        p_values = pd.Series(np.round(drawn.random(count) ** 3, 2))
        expected = multipletests(p_values, method="holm")[1]
        np.testing.assert_array_equal(holm(p_values), expected)


def test_holms_correction_leaves_out_what_is_missing():
    found = holm(pd.Series([0.02, np.nan, 0.01]))
    np.testing.assert_array_equal(found, [0.02, np.nan, 0.02])
