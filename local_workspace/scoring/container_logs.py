"""Container logs: one file a replica, appended by the replica itself, read back as one text.

Files lie under `<service>/<revision>/`; the newest two revisions are kept. A file past its limit is copied aside and
emptied in place, since the replica keeps it open: what is written in that moment may be lost, the file never grows on.
"""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

LIMIT_BYTES = 16 * 1024 * 1024
KEPT_REVISIONS = 2
INIT_LOG = "init.log"
LONGEST_TRACEBACK = 500
"""So many lines more are read, to know the time of a line that has no stamp of its own."""
_STAMP = re.compile(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3}")
_CAUSE = re.compile(
    r"^([\w.]*(?:Error|Exception|Exit|Interrupt|Timeout|Warning)\b[^\n]*)\s+The above exception was", re.M
)
_LAST_ERROR = re.compile(r"^([\w.]*(?:Error|Exception|Exit)\b:?[^\n]*)$", re.M)


class ContainerLogs:
    """The folder of container logs."""

    def __init__(self, folder: Path) -> None:
        """The folder is made when it is missing."""
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def open_revision(self, service: str, revision: str) -> Path:
        """The folder of one revision's logs; older ones go."""
        folder = self._folder / service / revision
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "opened").touch()
        for old in self._revisions(service)[KEPT_REVISIONS:]:
            shutil.rmtree(old, ignore_errors=True)
        return folder

    def write_init(self, service: str, revision: str, text: str) -> None:
        """Append a line to the init container's log."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        with (self._folder / service / revision / INIT_LOG).open("a") as file:
            file.write(f"{stamp},000 I {text}\n")

    def tail(self, service: str, *, lines: int, init: bool) -> str:
        """The newest lines of the newest revision; those of several replicas in the order of their time stamps."""
        revisions = self._revisions(service)
        if not revisions:
            return ""
        if init:
            files = [revisions[0] / INIT_LOG]
        else:
            files = [file for file in sorted(revisions[0].glob("*.log")) if file.name != INIT_LOG]
        stamped: list[tuple[str, int, int, str]] = []
        for number, file in enumerate(files):
            stamp = ""
            for index, text in enumerate(_last_lines(file, lines + LONGEST_TRACEBACK)):
                match = _STAMP.match(text)
                # A line without a stamp (a traceback) belongs to the one before it.
                stamp = match.group() if match else stamp
                stamped.append((stamp, number, index, text))
        if len(files) > 1:
            stamped.sort(key=lambda each: each[:3])
        return "\n".join(text for *_, text in stamped[-lines:])

    def forget(self, service: str) -> None:
        """Remove a deleted service's logs."""
        shutil.rmtree(self._folder / service, ignore_errors=True)

    def trim(self) -> None:
        """Keep each file under its limit."""
        for file in self._folder.glob("*/*/*.log"):
            try:
                if file.stat().st_size <= LIMIT_BYTES:
                    continue
                shutil.copyfile(file, file.with_suffix(".log.1"))
                with file.open("r+b") as open_file:
                    open_file.truncate(0)
            except FileNotFoundError:
                # Its revision was cleared away this moment.
                continue

    def _revisions(self, service: str) -> list[Path]:
        opened = [(mark.stat().st_mtime_ns, mark.parent) for mark in (self._folder / service).glob("*/opened")]
        return [folder for _, folder in sorted(opened, reverse=True)]


def cause_of_crash(log: Path, *, since: int) -> str:
    """The user's own error in what was logged from this offset on, in one line; empty when there is none."""
    with log.open("rb") as file:
        file.seek(since)
        text = file.read().decode(errors="replace")
    found = _CAUSE.findall(text) or _LAST_ERROR.findall(text)
    return found[-1].strip() if found else ""


def _last_lines(file: Path, count: int) -> list[str]:
    """The last lines of a log and, where that is not enough, of the part copied aside."""
    lines: list[str] = []
    for part in (file, file.with_suffix(".log.1")):
        if len(lines) < count and part.exists():
            lines = part.read_text(errors="replace").splitlines()[-(count - len(lines)) :] + lines
    return lines
