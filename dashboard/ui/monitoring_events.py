"""What happened in a range: deployments, changes, scale changes, rotations and incidents, each from its start to its end.

`happened` reads them, `bands` makes the ranges drawn on every chart. Both legs of a rotation are one event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dashboard import context
from dashboard.ui import charts, palette
from dashboard.ui.ranges import Range
from dashboard.ui.states import Colour
from services.incident_records import IncidentRange
from services.monitoring import Span
from services.operations.records import Operation
from services.planning.wanted import is_scaler_field

LOOK_BACK = timedelta(hours=6)
"""So long before a range an operation may have begun that reaches into it."""
LABEL_SHARE = 0.24
"""A flag with the room around it takes about this share of the chart's width."""
WORDS: Mapping[str, str] = {
    "service.deploy": "deployed",
    "service.update": "changed",
    "keys.regenerate": "new key",
    "keys.set": "new key",
    "keys.rotate_idle": "rotation",
    "keys.rotate_other": "rotation",
}
SCALED = "scaled"
INCIDENT = "incident"
_LOOKS: Mapping[str, tuple[str, str]] = {
    "deployed": ("deployment", ":material/rocket_launch:"),
    "changed": ("change", ":material/tune:"),
    SCALED: ("scale", ":material/open_in_full:"),
    "new key": ("keys", ":material/key:"),
    "rotation": ("keys", ":material/autorenew:"),
    INCIDENT: ("incident", ":material/crisis_alert:"),
}
"""Its colour in the palette, and its icon."""

_BADGES: Mapping[str, Colour] = {
    "deployment": "violet",
    "change": "gray",
    "scale": "blue",
    "keys": "violet",
    "incident": "red",
}


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened; its number stands on the charts' flags and in the legend."""

    number: int
    word: str
    title: str
    service: str
    by: str
    start: datetime
    end: datetime
    """Of what has not ended yet: now."""
    is_open: bool
    operation: Operation | None = None
    incident: str = ""

    @property
    def colour(self) -> str:
        """The colour of its band."""
        return palette.EVENTS[_LOOKS.get(self.word, ("change", ""))[0]]

    @property
    def icon(self) -> str:
        """Its icon."""
        return _LOOKS.get(self.word, ("", ":material/tune:"))[1]


def happened(range_: Range, services: Sequence[str]) -> list[Event]:
    """What happened to these services (none = all) in the range, oldest first."""
    desk = context.services()
    span = Span(start=range_.start - LOOK_BACK, end=range_.end, step=range_.step)
    found = of(
        desk.monitoring.changes(span, services=services),
        desk.incidents.ranges(range_.span, services),
        now=context.now(),
    )
    inside = [event for event in found if event.end > range_.start]
    return [replace(event, number=number) for number, event in enumerate(inside, 1)]


def of(changes: Iterable[Operation], incidents: Iterable[IncidentRange], *, now: datetime) -> list[Event]:
    """The events of these operations and incidents, oldest first, numbered."""
    found: dict[str, Event] = {}
    for one in changes:
        # Both legs of a rotation carry its id.
        key = str(one.arguments.get("rotation") or one.id)
        event = _of_operation(one, now)
        found[key] = _joined(found[key], event) if key in found else event
    for incident in incidents:
        found[f"incident {incident.id}"] = Event(
            number=0,
            word=INCIDENT,
            title=f"{incident.id} {incident.title}",
            service="",
            by="",
            start=incident.start,
            end=incident.end or now,
            is_open=incident.end is None,
            incident=incident.id,
        )
    ordered = sorted(found.values(), key=lambda event: event.start)
    return [replace(event, number=number) for number, event in enumerate(ordered, 1)]


def bands(events: Iterable[Event], range_: Range) -> list[charts.Band]:
    """A band for each event; flags that would lie on each other become one, and one at the right edge points to the left."""
    groups: list[list[Event]] = []
    for event in events:
        # A flag that points to the left needs the room of two.
        room = range_.duration * LABEL_SHARE * (2 if _is_late(event, range_) else 1)
        if groups and _seen(event, range_) - _seen(groups[-1][0], range_) <= room:
            groups[-1].append(event)
        else:
            groups.append([event])
    return [band for group in groups for band in _bands_of(group, range_)]


def badge_colour(event: Event) -> Colour:
    """The colour nearest to its band that a badge can have."""
    return _BADGES[_LOOKS.get(event.word, ("change", ""))[0]]


def _bands_of(group: list[Event], range_: Range) -> Iterator[charts.Band]:
    words = {event.word for event in group}
    word = words.pop() if len(words) == 1 else "changes"
    first, last = group[0].number, group[-1].number
    label = f"{first} {word}" if first == last else f"{first}–{last} {word}"
    flagged = group[0]
    # An incident is what one has to see in a flag that stands for several.
    flag_colour = next((event.colour for event in group if event.word == INCIDENT), flagged.colour)
    for event in group:
        yield charts.Band(
            # Outside the range nothing is drawn, and a flag there would be cut off.
            start=_seen(event, range_),
            end=min(event.end, range_.end),
            label=label if event is flagged else "",
            colour=event.colour,
            flag_colour=flag_colour,
            is_label_left=_is_late(flagged, range_),
        )


def _seen(event: Event, range_: Range) -> datetime:
    return max(event.start, range_.start)


def _is_late(event: Event, range_: Range) -> bool:
    return _seen(event, range_) > range_.end - range_.duration * LABEL_SHARE


def _of_operation(one: Operation, now: datetime) -> Event:
    return Event(
        number=0,
        word=_word(one),
        title=one.title,
        service=one.subject,
        by=one.person_name,
        start=one.started_at or one.requested_at,
        end=one.ended_at or now,
        is_open=one.is_open,
        operation=one,
    )


def _word(one: Operation) -> str:
    fields = [str(change["field"]) for change in (one.plan or {}).get("changes", ())]
    if one.kind == "service.update" and fields and all(_scales(name) for name in fields):
        return SCALED
    return WORDS.get(one.kind, "changed")


def _scales(field: str) -> bool:
    return field in ("num_replicas", "autoscale_enabled") or is_scaler_field(field)


def _joined(first: Event, second: Event) -> Event:
    """Both legs of a rotation as one event, judged by the leg that ended it."""
    return replace(second, start=min(first.start, second.start), end=max(first.end, second.end))
