"""An operation, its steps and its lines, as everyone reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

State = Literal["waiting", "running", "succeeded", "failed", "stopped"]
"""`stopped`: nothing is wrong with Azure, a person has to do something, then it goes on from there."""
StepState = Literal["waiting", "running", "done", "failed", "skipped"]

OPEN_STATES = ("waiting", "running")
VERSION = "2026.11.1"
"""Raised with an incompatible change of the steps: work of another version is shown as waiting for that version."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of an operation."""

    position: int
    name: str
    label: str
    state: StepState
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    detail: str | None
    result: Any

    def took(self, now: datetime) -> timedelta | None:
        """How long it took, or has taken until now."""
        return (self.ended_at or now) - self.started_at if self.started_at else None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of an operation's log."""

    id: int
    at: datetime
    source: str
    """`desk`, `azure` or `container`."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One durable piece of work."""

    id: str
    workspace: str
    kind: str
    subject_kind: str
    """`service` or `model`."""
    subject: str
    title: str
    arguments: dict[str, Any]
    plan: dict[str, Any] | None
    reason: str
    person_id: str
    person_name: str
    role: str
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    state: State
    waits_for: str | None
    error_kind: str | None
    error: str | None
    receipt: dict[str, Any] | None
    version: str
    leg: int
    follows: str | None
    """The operation this one repeats or continues."""
    steps: tuple[Step, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.state in OPEN_STATES

    @property
    def current(self) -> Step | None:
        """The step that runs, or the one that failed."""
        return next((step for step in self.steps if step.state in ("running", "failed")), None)

    def took(self, now: datetime) -> timedelta:
        """From being asked for to its end, or until now."""
        return (self.ended_at or now) - self.requested_at

    def result(self, step: str) -> Any:
        """What an earlier step recorded, or None."""
        return next((found.result for found in self.steps if found.name == step), None)


def operation_from(row: sa.Row[Any], steps: tuple[Step, ...] = ()) -> Operation:
    """An operation from its row."""
    return Operation(**row._mapping, steps=steps)


def step_from(row: sa.Row[Any]) -> Step:
    """A step from its row."""
    return Step(**{name: value for name, value in row._mapping.items() if name != "operation"})
