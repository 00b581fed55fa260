"""The time range: chosen once, kept in the address and on every screen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import context
from services.monitoring import Span

NAMES: dict[str, tuple[str, timedelta]] = {
    "15m": ("Last 15 min", timedelta(minutes=15)),
    "1h": ("Last hour", timedelta(hours=1)),
    "6h": ("Last 6 h", timedelta(hours=6)),
    "24h": ("Last 24 h", timedelta(hours=24)),
    "7d": ("Last 7 d", timedelta(days=7)),
    "30d": ("Last 30 d", timedelta(days=30)),
}
CUSTOM = "custom"
DEFAULT = "1h"

# Whole, round steps; a chart has at most about 120 of them, so that a pixel column is never finer than a step.
_STEPS = [timedelta(seconds=s) for s in (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)]
_MOST_STEPS = 120
_EARLIER = "ranges-before"
"""The ranges from which one zoomed in, the newest last."""
_SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Range:
    """From when to when, both aware UTC, on whole steps; `step` is one bar or point of a chart."""

    name: str
    label: str
    start: datetime
    end: datetime
    step: timedelta

    @property
    def span(self) -> Span:
        """The same for the services: `services().monitoring.chart("latency", range_.span)`."""
        return Span(start=self.start, end=self.end, step=self.step)

    @property
    def duration(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    @property
    def before(self) -> Range:
        """The period before: as long, ending where this one begins."""
        return replace(self, start=self.start - self.duration, end=self.start)


def step_for(duration: timedelta) -> timedelta:
    """The smallest round step with which a chart of that length has at most 120 points."""
    return next((step for step in _STEPS if duration / step <= _MOST_STEPS), _STEPS[-1])


def last(name: str, *, now: datetime) -> Range:
    """One of the ready ranges, ending now; its ends lie on whole steps, so that people share one cached answer."""
    label, duration = NAMES[name]
    step = step_for(duration)
    end = _floor(now, step) + step
    return Range(name=name, label=label, start=end - duration, end=end, step=step)


def between(start: datetime, end: datetime) -> Range:
    """A custom range."""
    step = step_for(end - start)
    return Range(name=CUSTOM, label="Custom range", start=_floor(start, step), end=_floor(end, step) + step, step=step)


def choose() -> Range:
    """Show the range's choice, bound to `?range=` (and `from`, `to` for a custom one), and give what is chosen."""
    now = context.now()
    name = st.selectbox(
        "Range",
        [*NAMES, CUSTOM],
        index=list(NAMES).index(DEFAULT),
        key="range",
        help="From now back, or a custom range; it is kept in the address and on every screen.",
        on_change=_fill_custom,
        bind="query-params",
        width=130,
    )
    if name != CUSTOM:
        return last(name if name in NAMES else DEFAULT, now=now)
    # Always typed in UTC: the same address then means the same range to everybody.
    start = st.datetime_input("From (UTC)", None, key="from", step=60, bind="query-params", width=200)
    end = st.datetime_input("To (UTC)", None, key="to", step=60, bind="query-params", width=200)
    if start is None or end is None or start >= end:
        st.caption("Choose a beginning and a later end; until then this is the last hour.")
        return last(DEFAULT, now=now)
    return between(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))


def zoom(start: datetime, end: datetime) -> None:
    """Make a part of what is shown the range, in whole minutes; for a callback. The range before is remembered."""
    start = _floor(start, _SHORTEST)
    end = max(_floor(end, _SHORTEST) + (_SHORTEST if end > _floor(end, _SHORTEST) else timedelta(0)), start + _SHORTEST)
    state = st.session_state
    state.setdefault(_EARLIER, []).append((state.get("range", DEFAULT), state.get("from"), state.get("to")))
    _make_custom(start.replace(tzinfo=None), end.replace(tzinfo=None))


def back() -> None:
    """Show the button that leads back to the range one zoomed in from, when there is one."""
    earlier = st.session_state.get(_EARLIER)
    if not earlier:
        return
    name, start, end = earlier[-1]
    label = NAMES[name][0].lower() if name in NAMES else f"{start:%H:%M}–{end:%H:%M}" if start and end else "before"
    st.button(
        f"Back to {label}",
        key="range-back",
        icon=":material/zoom_out:",
        on_click=_go_back,
        args=earlier[-1],
        help="The range you zoomed in from.",
    )


def _go_back(name: str, start: datetime | None, end: datetime | None) -> None:
    """Go where the button says, also when a choice in the same run forgot the way back."""
    state = st.session_state
    if earlier := state.get(_EARLIER):
        earlier.pop()
    if name == CUSTOM and start and end:
        _make_custom(start, end)
    else:
        state["range"] = name


def _fill_custom() -> None:
    """Begin a custom range with the last hour; who chooses a range by hand has no way back from it."""
    st.session_state.pop(_EARLIER, None)
    if st.session_state["range"] == CUSTOM and not st.session_state.get("from"):
        now = context.now().replace(tzinfo=None, second=0, microsecond=0)
        _make_custom(now - timedelta(hours=1), now)


def _make_custom(start: datetime, end: datetime) -> None:
    """Set a custom range (UTC, without a zone), for a callback."""
    st.session_state["range"] = CUSTOM
    for name, at in (("from", start), ("to", end)):
        if name not in st.session_state:
            # A field that is not on the screen yet does not write its value into the address: a link would lead
            # somebody else to another range.
            st.query_params[name] = at.strftime("%Y-%m-%dT%H:%M")
        st.session_state[name] = at


def _floor(at: datetime, step: timedelta) -> datetime:
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, tz=UTC)
