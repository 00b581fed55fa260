"""The state badge: word, icon and colour, the same everywhere; colour is never the only sign.

`badge` and `inline` draw it on a screen, `plain` is its text for a table's cell, `column` colours such cells.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

Colour = Literal["red", "orange", "green", "blue", "violet", "gray"]


@dataclass(frozen=True, kw_only=True)
class State:
    """How one state is written and drawn; `rank` puts the worst first."""

    word: str
    icon: str
    symbol: str
    colour: Colour
    rank: int
    meaning: str


def _state(word: str, icon: str, symbol: str, colour: Colour, rank: int, meaning: str) -> State:
    return State(word=word, icon=f":material/{icon}:", symbol=symbol, colour=colour, rank=rank, meaning=meaning)


STATES: dict[str, State] = {
    state.word: state
    for state in (
        _state("failing", "error", "✕", "red", 0, "It runs, and too many of its requests fail."),
        _state("alert", "notifications_active", "▲", "red", 0, "A rule about it is broken: an alert is open."),
        _state("failed", "cancel", "✕", "red", 1, "It ended with an error."),
        _state("unhealthy", "heart_broken", "✕", "red", 2, "Azure says its replicas are not healthy."),
        _state("unschedulable", "block", "✕", "red", 3, "The cluster has no room for it."),
        _state("timed out", "timer_off", "✕", "red", 4, "It took longer than it may."),
        _state("not answering", "link_off", "✕", "red", 5, "Nothing was heard from it for a while."),
        _state(
            "broken", "broken_image", "✕", "red", 6, "Azure's answer about it cannot be read; the row shows what can."
        ),
        _state("late", "schedule", "▲", "orange", 7, "It is older than it should be."),
        _state("drifted", "difference", "▲", "orange", 8, "It was changed outside the desk."),
        _state("anonymous", "lock_open", "▲", "orange", 9, "Anyone who has its address can call it."),
        _state("waiting", "hourglass_empty", "◐", "orange", 10, "It waits for somebody or for something."),
        _state("stopped", "pan_tool", "◐", "orange", 10, "It stopped and goes on when somebody does what it says."),
        _state("deploying", "progress_activity", "↻", "blue", 11, "A change of it is under way."),
        _state("running", "progress_activity", "↻", "blue", 12, "It is being done now."),
        _state("queued", "schedule", "…", "blue", 13, "It will start when what is before it has ended."),
        _state("unknown", "help", "?", "gray", 14, "Nothing is known about it yet."),
        _state("cancelled", "do_not_disturb_on", "–", "gray", 15, "Somebody stopped it."),
        _state("switched off", "toggle_off", "–", "gray", 16, "Somebody switched it off."),
        _state("healthy", "check_circle", "●", "green", 17, "It runs and answers."),
        _state("succeeded", "check_circle", "✓", "green", 18, "It was done and read back."),
        _state("alive", "check_circle", "●", "green", 19, "It was heard from a moment ago."),
    )
}

# How Azure, the engine and people write the same states.
_ALSO = {
    "transitioning": "deploying",
    "creating": "deploying",
    "updating": "deploying",
    "deleting": "deploying",
    "inprogress": "running",
    "pending": "running",
    "enqueued": "queued",
    "notstarted": "queued",
    "success": "succeeded",
    "completed": "succeeded",
    "done": "succeeded",
    "error": "failed",
    "timedout": "timed out",
    "canceled": "cancelled",
}


def state_of(word: str | None) -> State:
    """The state a word stands for, however Azure or the engine spells it; an unheard one is shown as it is, in grey."""
    folded = (word or "unknown").strip().lower().replace("_", " ")
    known = STATES.get(folded) or STATES.get(_ALSO.get(folded.replace(" ", ""), ""))
    if known:
        return known
    unknown = STATES["unknown"]
    return State(
        word=folded,
        icon=unknown.icon,
        symbol=unknown.symbol,
        colour="gray",
        rank=unknown.rank,
        meaning="Azure gave this state; the desk has no words for it.",
    )


def badge(word: str | None, *, detail: str = "", help: str | None = None) -> None:
    """Draw a state as a badge, `detail` behind the word (`deploying 2/5`)."""
    state = state_of(word)
    st.badge(_label(state, detail), icon=state.icon, color=state.colour, help=help or state.meaning)


def inline(word: str | None, *, detail: str = "") -> str:
    """A state as Markdown, for a line of text."""
    state = state_of(word)
    return f":{state.colour}-badge[{state.icon} {_label(state, detail)}]"


def plain(word: str | None, *, detail: str = "") -> str:
    """A state as text, for a table's cell: `✕ failing`."""
    state = state_of(word)
    return f"{state.symbol} {_label(state, detail)}"


def rank(word: str | None) -> int:
    """How bad a state is; the worst is 0."""
    return state_of(word).rank


def column(words: Iterable[str], *, label: str = "State") -> Any:
    """A table's state column: give the table lists of one `plain` text each, and here all the words that occur."""
    states = sorted({state_of(word) for word in words}, key=lambda state: state.rank)
    return st.column_config.MultiselectColumn(
        label,
        options=[plain(state.word) for state in states],
        color=[state.colour for state in states],
        width="small",
        help="Worst first.",
    )


def _label(state: State, detail: str) -> str:
    return f"{state.word} {detail}".strip()
