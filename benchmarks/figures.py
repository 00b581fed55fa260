"""What a benchmark returns: one figure beside its budget, both measured in the same run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table that `make bench` prints."""

    name: str
    figure: str
    """What was measured, with its unit."""
    budget: str
    """What it should be, in the same unit."""
    met: bool
