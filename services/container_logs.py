"""Container logs: the newest lines of a service, read live, scrubbed, parsed so that they can be filtered and followed.

Azure gives one text without a cursor, of all replicas together. Following it is reading it again; people who follow the
same service at the same moment share one read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from services.access import Person
from services.azureml.mms import ModelManagement
from services.clock import Clock
from services.files import LOG, Files, StoredFile
from services.live import Live
from services.operations.desk import Operations
from services.scrubbing import scrub
from services.webservices import Webservices

Severity = Literal["debug", "info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("debug", "info", "warning", "error")
TAILS = (100, 500, 2000, 5000)

READ_AGAIN_SECONDS = 5
"""How old a followed log may be; reads within one such stretch are one read."""
DEADLINE_SECONDS = 15.0
KEPT_FOR = timedelta(days=1)
LARGEST_FILE = 50 << 20

_LETTERS: dict[str, Severity] = {
    "D": "debug",
    "I": "info",
    "W": "warning",
    "E": "error",
    "C": "error",
    "F": "error",
}
# Servers since 0.8: `2026-11-21 17:05:25,550 I [21538] azmlinfsrv - POST /score 200 0.980ms 17`, in UTC.
_SERVER = re.compile(r"^(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (?P<level>[DIWECF]) (?:\[\d+\] )?")
# Older images: `2021-03-18 21:23:26,086 | root | INFO | Starting up app insight hooks`.
_OLD_SERVER = re.compile(
    r"^(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \| [^|]* \| (?P<level>DEBUG|INFO|WARN|ERROR|CRITICAL)"
)
# Their gunicorn: `[2021-03-18 21:23:26 +0000] [12] [INFO] Booting worker with pid: 40`.
_GUNICORN = re.compile(
    r"^\[(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \+0000\] \[\d+\] \[(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\]"
)
_UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_REQUEST = re.compile(rf"(?P<id>{_UUID}),\s?")
_NO_REQUEST = re.compile(r"no request id,\s?", re.IGNORECASE)
_TRACEBACK = re.compile(r"^(?:Traceback \(most recent call last\)|[\w.]*(?:Error|Exception)\b)")
# The liveness probe asks for the root; older images write it as an access line of nginx or Werkzeug.
_PROBE = re.compile(r"(?:- |\")(?:GET|HEAD) / (?:HTTP/1\.[01]\" )?200\b|kube-probe/")


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """One line; what belongs to the line before it, as a traceback does, has its severity and request id."""

    text: str
    at: datetime | None
    severity: Severity
    request_id: str
    is_probe: bool


@dataclass(frozen=True, kw_only=True)
class Log:
    """What was read, oldest line first."""

    lines: tuple[LogLine, ...]
    read_at: datetime
    is_cut: bool
    """There is more in the container than was asked for."""


class ContainerLogs:
    """Read, follow, keep for download."""

    def __init__(
        self,
        live: Live,
        mms: ModelManagement,
        webservices: Webservices,
        operations: Operations,
        files: Files,
        *,
        clock: Clock,
    ) -> None:
        self._live = live
        self._mms = mms
        self._webservices = webservices
        self._operations = operations
        self._files = files
        self._clock = clock

    def read(self, person: Person, name: str, *, tail: int = 500, init: bool = False) -> Log:
        """The newest lines of the container's log, or of the init container's."""
        self._operations.check(person, "logs.follow", "service", name)
        self._webservices.get(name)
        tail = min(max(tail, 1), TAILS[-1])
        moment = int(self._clock.now().timestamp()) // READ_AGAIN_SECONDS
        return self._live.shared(
            ("log", name, tail, init, moment),
            lambda: self._read(name, tail, init),
            what=f"The log of {name}",
            deadline=DEADLINE_SECONDS,
        )

    def keep(self, person: Person, name: str, lines: Iterable[LogLine], *, init: bool = False) -> StoredFile:
        """Put lines into a file that can be downloaded for a day."""
        self._operations.check(person, "logs.follow", "service", name)
        stamp = self._clock.now().strftime("%Y%m%d-%H%M%S")
        text = scrub("\n".join(line.text for line in lines)) + "\n"
        return self._files.keep(
            io.BytesIO(text.encode()),
            name=f"{name}-{'init-' if init else ''}{stamp}.log",
            purpose=LOG,
            by=person,
            limit=LARGEST_FILE,
            keep_for=KEPT_FOR,
        )

    def _read(self, name: str, tail: int, init: bool) -> Log:
        text = self._mms.logs(name, tail=tail, init=init, timeout=DEADLINE_SECONDS - 1)
        lines = parse(text)
        return Log(lines=tuple(lines), read_at=self._clock.now(), is_cut=len(lines) >= tail)


def parse(text: str) -> list[LogLine]:
    """The lines of a log with their severity, time and request id."""
    found: list[LogLine] = []
    at: datetime | None = None
    severity: Severity = "info"
    request_id = ""
    for raw in text.splitlines():
        line = _NO_REQUEST.sub("", raw, count=1)
        head = _SERVER.match(line) or _OLD_SERVER.match(line) or _GUNICORN.match(line)
        asked_for = _REQUEST.search(line)
        if head:
            at, severity = _time(head["at"]), _LETTERS[head["level"][0]]
            request_id = asked_for["id"] if asked_for else ""
        elif asked_for and line.startswith(asked_for["id"]):
            severity, request_id = "info", asked_for["id"]
        elif _TRACEBACK.match(line):
            severity = "error"
        elif _NO_REQUEST.match(raw):
            # A line of its own in an old image, though without time and level.
            severity, request_id = "info", ""
        found.append(
            LogLine(text=line, at=at, severity=severity, request_id=request_id, is_probe=bool(_PROBE.search(line)))
        )
    return found


def matching(
    lines: Sequence[LogLine],
    *,
    severities: Sequence[str] = (),
    text: str = "",
    request_id: str = "",
    hide_probes: bool = True,
) -> list[LogLine]:
    """The lines of these severities (none = all) that contain the text and belong to the request, in any case."""
    text, request_id = text.casefold(), request_id.strip().casefold()
    return [
        line
        for line in lines
        if not (hide_probes and line.is_probe)
        and (not severities or line.severity in severities)
        and (not text or text in line.text.casefold())
        and (not request_id or request_id == line.request_id.casefold() or request_id in line.text.casefold())
    ]


def _time(text: str) -> datetime:
    pattern = "%Y-%m-%d %H:%M:%S,%f" if "," in text else "%Y-%m-%d %H:%M:%S"
    return datetime.strptime(text, pattern).replace(tzinfo=UTC)
