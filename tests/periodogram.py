"""Tests by the weighted periodogram, written out in loops of complex exponentials."""

from __future__ import annotations

import cmath
from collections.abc import Sequence

import numpy as np
from scipy import stats


def ordinates(rows: int) -> int:
    """The largest m whose cube is at most T."""
    m = 0
    while (m + 1) ** 3 <= rows:
        m += 1
    return m


def literal_covariance(columns: Sequence[Sequence[float]]) -> np.ndarray:
    """2 pi times the mean of I(1) .. I(m), with I(k) = w(k) w(k)* / (2 pi T), real part."""
    T, q = len(columns[0]), len(columns)
    means = [sum(column) / T for column in columns]
    total = np.zeros((q, q))
    for k in range(1, ordinates(T) + 1):
        turns = [cmath.exp(-2j * cmath.pi * k * t / T) for t in range(T)]
        waves = [
            sum((value - mean) * turn for value, turn in zip(column, turns, strict=True))
            for column, mean in zip(columns, means, strict=True)
        ]
        for i in range(q):
            for j in range(q):
                total[i, j] += (waves[i] * waves[j].conjugate()).real / (2 * cmath.pi * T)
    return 2 * cmath.pi * total / ordinates(T)


def literal_error(moments: Sequence[float]) -> float:
    """Standard error of the mean."""
    return float(np.sqrt(literal_covariance([moments])[0, 0] / len(moments)))


def literal_mean_test(moments: Sequence[float], *, one_sided: bool = False) -> tuple[float, float]:
    """Student's t of the mean, on 2 m degrees of freedom."""
    T = len(moments)
    t = sum(moments) / T / literal_error(moments)
    if one_sided:
        return t, float(stats.t.sf(t, 2 * ordinates(T)))
    return t, float(2 * stats.t.sf(abs(t), 2 * ordinates(T)))


def literal_joint_test(columns: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Sun (2013): F of several means with K = 2 m."""
    T, q = len(columns[0]), len(columns)
    K = 2 * ordinates(T)
    z = np.array([sum(column) / T for column in columns])
    wald = T * z @ np.linalg.inv(literal_covariance(columns)) @ z
    statistic = (K - q + 1) / (K * q) * wald
    return statistic, float(stats.f.sf(statistic, q, K - q + 1))
