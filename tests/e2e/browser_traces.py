"""Everything a browser gets to see, says and keeps on the desk, written down as it comes, to be searched afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, ConsoleMessage, Download, Frame, Page, Request, WebSocket

from tests.e2e.browsing import Visit

_FIELDS = """() => [...document.querySelectorAll("input, textarea, select")].map(field => field.value).join("\\n")"""
_SESSION_STORAGE = "() => JSON.stringify(Object.entries(sessionStorage))"


@dataclass(frozen=True)
class Trace:
    """One thing that was seen."""

    kind: str
    """address, console, cookie, download, received, screen, sent or storage."""
    where: str
    content: bytes
    is_secret_shown: bool
    """Whether somebody had asked to see a secret, or was typing one, at that moment."""


class WatchedVisit(Visit):
    """One window whose every trace is kept."""

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, url)
        self.traces: list[Trace] = []
        self._is_secret_shown = False
        page.on("request", self._note_request)
        page.on("framenavigated", self._note_navigation)
        page.on("websocket", self._note_socket)
        page.on("console", self._note_console)

    def open(self, address: str = "/") -> Page:
        """Look once more at the screen that is left, then go."""
        self.look()
        page = super().open(address)
        self.look()
        return page

    def look(self) -> None:
        """Write down what is on the screen: every element with its attributes, and what stands in its fields."""
        where = self._place()
        self._note("screen", where, self.page.content())
        self._note("screen", f"fields of {where}", self.page.evaluate(_FIELDS))

    def has_sent(self, text: str) -> bool:
        """Whether the desk was told this; a field that is typed into tells it a moment later."""
        # Events are noted while the browser is asked something.
        self.page.evaluate("() => 0")
        return any(trace.kind == "sent" and text.encode() in trace.content for trace in self.traces)

    def look_at_storage(self) -> None:
        """Write down what the browser keeps beyond the screen."""
        state = self.page.context.storage_state(indexed_db=True)
        self._note("cookie", "all", json.dumps(state["cookies"]))
        self._note("storage", "local storage and databases", json.dumps(state["origins"]))
        self._note("storage", "session storage", self.page.evaluate(_SESSION_STORAGE))

    def keep(self, download: Download) -> bytes:
        """Write down what was downloaded."""
        self._note("address", "download", download.url)
        content = download.path().read_bytes()
        self._note("download", download.suggested_filename, content)
        return content

    @contextmanager
    def secret_shown(self) -> Iterator[None]:
        """While somebody looks at a secret or types one, it may be on this screen and on the way to it; nowhere else."""
        before, self._is_secret_shown = self._is_secret_shown, True
        try:
            yield
        finally:
            self._is_secret_shown = before

    def _note(self, kind: str, where: str, content: str | bytes) -> None:
        raw = content.encode() if isinstance(content, str) else content
        self.traces.append(Trace(kind, where, raw, self._is_secret_shown))

    def _note_request(self, request: Request) -> None:
        self._note("address", "request", request.url)

    def _note_navigation(self, frame: Frame) -> None:
        self._note("address", "screen", frame.url)

    def _note_socket(self, socket: WebSocket) -> None:
        self._note("address", "websocket", socket.url)
        socket.on("framereceived", lambda content: self._note("received", self._place(), content))
        socket.on("framesent", lambda content: self._note("sent", self._place(), content))

    def _note_console(self, message: ConsoleMessage) -> None:
        self._note("console", self._place(), message.text)

    def _place(self) -> str:
        return self.page.url.removeprefix(self.url)


@contextmanager
def watched(browser: Browser, url: str, *, identity: str) -> Iterator[WatchedVisit]:
    """Open a window with a profile of its own, as somebody."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(20_000)
    try:
        window = WatchedVisit(context.new_page(), url)
        window.be(identity)
        yield window
    finally:
        context.close()
