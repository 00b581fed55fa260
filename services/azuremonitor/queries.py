"""The queries behind the charts, one file each, written out in full before they run: what is shown is what ran.

Every file begins with what it is for and `// columns:`, the columns it returns. It reads `Traffic` (scoring calls in
the range, of the chosen services, without our own probes unless asked for) or `Calls` (with them), and may use `Start`,
`End` and `Step`. Where `Requests` comes from is the source's prelude: the table itself in the local workspace, a
normalised AppRequests on Azure.

`// with: failures` puts `preludes/failures.kql` before it, and what that is built on:

    front_end   `FrontEnd`, what the front end of a cluster with Container Insights logged, and `Scale`, its replicas
    failures    `Failures`, one row a failed call, by the code the caller saw and with its source
    arrivals    `Arrivals`, every call once, whichever source has it
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal

from services.azuremonitor import literals
from services.errors import Invalid

Source = Literal["local", "azure"]

TOGETHER = "all of them"
"""Stands where a service's name would, in an answer about several at once."""

_FOLDER = Path(__file__).parent
_HEADER = re.compile(r"\A(?:[ \t]*//[^\n]*\n)+")
_DIRECTIVE = re.compile(r"^//\s*(columns|with):\s*(.*)$")
LONGEST_RANGE = timedelta(days=31)
_BUILT_ON = {"failures": ("front_end", "timeout_bodies"), "arrivals": ("front_end",)}
_WRITTEN_OUT = re.compile(r"^let Start = ", re.MULTILINE)
_MENTIONS_FRONT_END = re.compile(r"\b(FrontEnd|Scale)\b")


@dataclass(frozen=True)
class Query:
    """One file: what it is for, what it returns, its text."""

    name: str
    purpose: str
    columns: tuple[tuple[str, str], ...]
    needs: tuple[str, ...]
    text: str


def names() -> list[str]:
    """Every query there is."""
    return sorted(path.stem for path in (_FOLDER / "queries").glob("*.kql"))


@cache
def load(name: str) -> Query:
    """Read one query's file."""
    text = (_FOLDER / "queries" / f"{name}.kql").read_text()
    header = _HEADER.match(text)
    if not header:
        raise ValueError(f"{name}.kql has no header")
    purpose, directives = [], {}
    for line in header[0].splitlines():
        if directive := _DIRECTIVE.match(line):
            directives[directive[1]] = directive[2]
        else:
            purpose.append(line.removeprefix("//").strip())
    columns = tuple(
        (column.strip(), kind.strip())
        for column, _, kind in (entry.partition(":") for entry in directives["columns"].split(","))
    )
    needs = tuple(directives["with"].split()) if "with" in directives else ()
    return Query(name, " ".join(purpose), columns, needs, text[header.end() :].strip())


@cache
def prelude(name: str) -> str:
    """Read one prelude: `local`, `azure`, what a query is `with`, or its variant for one source."""
    return (_FOLDER / "preludes" / f"{name}.kql").read_text().strip()


def render(
    name: str,
    *,
    source: Source,
    services: Sequence[str],
    start: datetime,
    end: datetime,
    step: timedelta = timedelta(minutes=5),
    include_ours: bool = False,
    front_end: bool = True,
    together: bool = False,
) -> str:
    """Write a query out for these services (none = all), from start up to but not including end.

    `front_end` False: no cluster asked about has Container Insights on, so the front ends' log is not looked for.
    `together` True: what is asked per service is answered once for all of them, under the name `TOGETHER`.
    """
    query = load(name)
    parts = [
        *(f"// {line}" for line in _wrapped(query.purpose)),
        _range(start, end),
        f"let Step = {literals.duration(step)};",
        prelude(source),
        _calls(services, together=together),
        _traffic(include_ours=include_ours),
        *(
            _need(need, source=source, services=services, ours=include_ours, log=front_end, together=together)
            for need in _all_needs(query)
        ),
        query.text,
    ]
    return "\n".join(part for part in parts if part) + "\n"


def with_source(text: str, *, source: Source, start: datetime, end: datetime) -> str:
    """A person's own query, with `Start`, `End` and `Requests` to build on, and the front ends' log if it is named.

    One of ours, written out beneath a chart and edited, brings all of that along and stands as it is.
    """
    range_ = _range(start, end)
    if _WRITTEN_OUT.search(text):
        return text
    wanted = _front_end((), include_ours=True, is_on=True) if _MENTIONS_FRONT_END.search(text) else ""
    return "\n".join(part for part in (range_, prelude(source), wanted, text) if part)


def _range(start: datetime, end: datetime) -> str:
    if end <= start:
        raise Invalid("The range ends before it begins: choose a later end.", field="range")
    if end - start > LONGEST_RANGE:
        raise Invalid(f"The range is longer than {LONGEST_RANGE.days} days: choose a shorter one.", field="range")
    return f"let Start = {literals.moment(start)};\nlet End = {literals.moment(end)};"


def _calls(services: Sequence[str], *, together: bool = False) -> str:
    chosen = _chosen(services, together=together)
    return f"let Calls = Requests\n| where TimeGenerated >= Start and TimeGenerated < End{chosen};"


def _chosen(services: Sequence[str], *, together: bool) -> str:
    chosen = f"\n| where Service in {literals.strings(services)}" if services else ""
    return f"{chosen}\n| extend Service = {literals.string(TOGETHER)}" if together else chosen


def _traffic(*, include_ours: bool) -> str:
    return "let Traffic = Calls;" if include_ours else "let Traffic = Calls\n| where not(IsOurs);"


def _traffic_again(services: Sequence[str], *, include_ours: bool, together: bool) -> str:
    """`Traffic` under another name: read twice under one, the local engine would copy all its columns first."""
    again = _calls(services, together=together).replace("let Calls =", "let TrafficAgain =", 1)
    return again if include_ours else again.removesuffix(";") + "\n| where not(IsOurs);"


def _front_end(services: Sequence[str], *, include_ours: bool, is_on: bool, together: bool = False) -> str:
    """The front ends' log, narrowed as `Traffic` is."""
    chosen = _chosen(services, together=together)
    without = "" if include_ours else "\n| where not(IsOurs)"
    log = prelude("front_end" if is_on else "front_end_off")
    return f"{log}\nlet FrontEnd = FrontEndLog{chosen}{without};\nlet Scale = ScaleLog{chosen};"


def _all_needs(query: Query) -> list[str]:
    """What a query is `with`, each after what it is built on."""
    return list(dict.fromkeys(need for named in query.needs for need in (*_BUILT_ON.get(named, ()), named)))


def _need(name: str, *, source: Source, services: Sequence[str], ours: bool, log: bool, together: bool) -> str:
    """A prelude, in its variant for this source, or without a front end's log, where it has one."""
    if name == "front_end":
        return _front_end(services, include_ours=ours, is_on=log, together=together)
    if name == "arrivals" and log:
        return f"{_traffic_again(services, include_ours=ours, together=together)}\n{prelude(name)}"
    variants = (f"{name}_{source}", *(() if log else (f"{name}_off",)))
    return prelude(next((one for one in variants if (_FOLDER / "preludes" / f"{one}.kql").exists()), name))


def _wrapped(purpose: str) -> list[str]:
    """One sentence a line, as in the file."""
    return re.split(r"(?<=[.:]) (?=[A-Z])", purpose)
