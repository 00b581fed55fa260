"""Times in words: relative with the absolute beside or on hover, in UTC or the browser's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import streamlit as st

from dashboard import context

NEVER = "never"


def span(duration: timedelta | float) -> str:
    """A duration with its two largest units: `48 s`, `1 min 10 s`, `2 h`, `20 d`."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 and whole < 600 else "")
    if whole < 86400:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 >= 60 and whole < 36000 else "")
    return f"{whole // 86400} d" + (f" {whole % 86400 // 3600} h" if whole % 86400 >= 3600 and whole < 864000 else "")


def ago(at: datetime | None, *, now: datetime | None = None) -> str:
    """How long ago something was: `4 min ago`; `in 3 h` when it is still to come."""
    if at is None:
        return NEVER
    seconds = ((now or context.now()) - _aware(at)).total_seconds()
    if -1 < seconds < 1:
        return "just now"
    return f"{span(seconds)} ago" if seconds > 0 else f"in {span(-seconds)}"


def absolute(at: datetime | None, *, zone: tzinfo | None = None, now: datetime | None = None) -> str:
    """The time of day with its zone, and the date unless it is today: `14:05:12 UTC`, `2026-11-20 14:05:12 UTC`."""
    if at is None:
        return NEVER
    zone = zone or context.zone()
    local, today = _aware(at).astimezone(zone), (now or context.now()).astimezone(zone).date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S") + f" {local.tzname()}"


def both(at: datetime | None) -> str:
    """Relative and absolute in one line: `4 min ago (14:05:12 UTC)`."""
    return NEVER if at is None else f"{ago(at)} ({absolute(at)})"


def hover(at: datetime | None) -> str:
    """What stands on hover: the time in UTC and in the browser's zone."""
    if at is None:
        return "It has not happened yet."
    texts = [absolute(at, zone=UTC)]
    if context.local_zone() is not UTC:
        texts.append(absolute(at, zone=context.local_zone()))
    return " · ".join(dict.fromkeys(texts))


def show(at: datetime | None, *, before: str = "", after: str = "") -> None:
    """Show when something was, small, with the absolute time on hover: `show(at, before="deployed")`."""
    st.badge(" ".join(part for part in (before, ago(at), after) if part), color="gray", help=hover(at))


def column(label: str, *, relative: bool = True, help: str | None = None) -> Any:
    """A table's time column: relative (a click on the cell shows the absolute), or absolute in the chosen zone."""
    zone = context.zone()
    return st.column_config.DatetimeColumn(
        label,
        format="distance" if relative else "YYYY-MM-DD HH:mm:ss",
        timezone=str(getattr(zone, "key", "UTC")),
        help=help or f"Times are {'relative; the cell opens to the time' if relative else 'shown'} in {zone_name()}.",
    )


def zone_name() -> str:
    """The name of the chosen zone, for a column's header: `UTC`, `Europe/Berlin`."""
    zone = context.zone()
    return str(getattr(zone, "key", "UTC"))


def _aware(at: datetime) -> datetime:
    # What a database gives back without a zone was written in UTC.
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
