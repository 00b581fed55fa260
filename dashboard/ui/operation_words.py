"""Operations in words: kinds, steps, durations, for screens and tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dashboard import context
from dashboard.ui import times
from services.operations.records import Line, Operation, Step
from services.planning.wanted import SEALED

KINDS: Mapping[str, str] = {
    "service.deploy": "deploy a service",
    "service.update": "update a service",
    "service.delete": "delete a service",
    "service.bundle": "keep what runs",
    "service.rehearse": "rehearse a deployment",
    "keys.regenerate": "regenerate a key",
    "keys.set": "set a key",
    "keys.rotate_idle": "rotate: renew the idle key",
    "keys.rotate_other": "rotate: renew the other key",
    "model.register": "register a model",
    "model.edit": "edit a model version",
    "model.delete": "delete a model version",
    "model.download": "fetch a model's files",
    "environment.register": "register an environment",
    "compute.create": "create a cluster",
    "fault.begin": "begin a fault on purpose",
    "fault.end": "end a fault on purpose",
}

_STATE_WORDS = {"waiting": "queued"}
_STEP_LOOKS: Mapping[str, tuple[str, str]] = {
    "waiting": (":gray[:material/radio_button_unchecked:]", "not begun"),
    "running": (":blue[:material/progress_activity:]", "running"),
    "done": (":green[:material/check_circle:]", "done"),
    "failed": (":red[:material/cancel:]", "failed"),
    "skipped": (":gray[:material/do_not_disturb_on:]", "left out"),
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!:$<>|~])")


def kind(name: str) -> str:
    """What a kind of operation does: `deploy a service`."""
    return KINDS.get(name, name)


def state(operation: Operation) -> str:
    """The word for the state badge; one that has not begun is queued."""
    return _STATE_WORDS.get(operation.state, operation.state)


def escaped(text: str) -> str:
    """Text of others, such as a file's name or Azure's words, so that Markdown shows it as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def step_look(step: Step) -> str:
    """A step's sign, for Markdown; the label beside it says the rest."""
    return _STEP_LOOKS[step.state][0]


def step_word(step: Step) -> str:
    """A step's state in a word."""
    return _STEP_LOOKS[step.state][1]


def step_line(step: Step, *, now: datetime) -> str:
    """A step as one line of Markdown: sign, label, how long, how often."""
    label = escaped(step.label)
    parts = [f"{step_look(step)} **{label}**" if step.state in ("running", "failed") else f"{step_look(step)} {label}"]
    took = step.took(now)
    if step.state in ("running", "done", "failed") and took is not None:
        parts.append(times.span(took))
    if step.state != "done":
        parts.append(step_word(step))
    if step.attempts > 1:
        parts.append(f"attempt {step.attempts}")
    return " · ".join(parts)


def progress(operation: Operation) -> str:
    """How many steps are done: `2/5`; nothing for one that has ended."""
    if not operation.is_open or not operation.steps:
        return ""
    return f"{sum(step.state == 'done' for step in operation.steps)}/{len(operation.steps)}"


def duration(operation: Operation, *, now: datetime, usual: timedelta | None) -> str:
    """How long it took or takes, beside what is usual: `48 s (usually 1 min 10 s)`."""
    beside = f" (usually {times.span(usual)})" if usual else ""
    return f"{times.span(operation.took(now))}{beside}"


def doing(operation: Operation) -> str:
    """What happens just now, in a few words."""
    step = operation.current
    if operation.state == "stopped":
        return operation.error or "waits for somebody"
    if step is None:
        return "not begun" if operation.state == "waiting" else "between two steps"
    return step.detail.splitlines()[0] if step.detail else step.label


def phases(step: Step, lines: list[Line], *, now: datetime) -> list[str]:
    """What went on within a step, each with how long: the desk notes in the log when a phase of Azure's begins."""
    if step.started_at is None:
        return []
    ended = step.ended_at or now
    begun = [line for line in lines if line.source == "desk" and step.started_at <= line.at <= ended]
    ends = [*(line.at for line in begun[1:]), ended][: len(begun)]
    return [f"{line.text} {times.span(end - line.at)}" for line, end in zip(begun, ends, strict=True)]


def log_text(lines: list[Line]) -> str:
    """The log's lines with their time and source, as one text."""
    zone = context.zone()
    return "\n".join(f"{line.at.astimezone(zone):%H:%M:%S}  {line.source:<9}  {line.text}" for line in lines)


def secret_fields(operation: Operation) -> tuple[str, ...]:
    """The secrets a person has to type again before this goes on: their envelope was burnt when it stopped."""
    sending = {"keys.set": "replace", "service.deploy": "submit", "service.update": "apply"}.get(operation.kind)
    if sending is None or any(step.name == sending and step.state == "done" for step in operation.steps):
        return ()
    if operation.kind == "keys.set":
        return ("value",)
    wanted: Mapping[str, Any] = operation.arguments.get("wanted") or {}
    return tuple(name for name, value in wanted.get("configuration", {}).items() if value == SEALED)
