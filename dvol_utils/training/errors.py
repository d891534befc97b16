"""Why training cannot go on."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """Training cannot go on; the message names the epoch, the seed and what to try."""

    own_fault = True  # of the network: it would fail again wherever it is trained


class InterruptedTrainingError(TrainingError):
    """Training was broken off from without: a process was lost, or a file could not be written."""

    own_fault = False
