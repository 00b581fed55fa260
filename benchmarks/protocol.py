"""A session of Streamlit without a browser: the WebSocket and the messages that a browser would send.

Times are from the message that asks to the one that says the script has finished: the server's time and the way there,
without painting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

DEADLINE_SECONDS = 120.0
TIME_ZONE = "Europe/Berlin"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One run of the script or of a fragment."""

    seconds: float
    messages: int
    bytes: int


@dataclass
class _Run:
    """What a run has sent so far."""

    begun: float = field(default_factory=time.perf_counter)
    messages: int = 0
    bytes: int = 0
    charts: list[float] = field(default_factory=list)
    exceptions: list[str] = field(default_factory=list)


class Session:
    """One tab of a browser."""

    def __init__(self, port: int, *, cookie: str = "") -> None:
        self._port = port
        self._cookie = cookie
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._run = _Run()
        self._finished = asyncio.Event()
        self._cached: set[str] = set()
        self._page_hash = ""
        self._query = ""
        self.fragments: dict[str, float] = {}
        """The fragments that want to be run again by themselves, with their seconds."""
        self.pages: dict[str, str] = {}
        """The script's hash of each page, by its part of the address."""
        self._lock = asyncio.Lock()
        self._failed: BaseException | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def open(self, page: str, query: str = "") -> Ran:
        """Connect and see a page for the first time; the connection counts."""
        begun = time.perf_counter()
        headers = {"Cookie": f"desk_session={self._cookie}"} if self._cookie else {}
        self._socket = await connect(
            f"ws://localhost:{self._port}/_stcore/stream",
            additional_headers=headers,
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            compression=None,
            open_timeout=DEADLINE_SECONDS,
        )
        self._reader = asyncio.create_task(self._read(self._socket))
        return await self._full(query, page_name=page, begun=begun)

    async def rerun(self) -> Ran:
        """Run the page again, as a click on it does."""
        return await self._full(self._query)

    async def go(self, page: str, query: str = "") -> Ran:
        """Go to another page of the same session."""
        return await self._full(query, page_hash=self.pages[page])

    async def poll(self, fragment_id: str) -> Ran | None:
        """Run one fragment again, as its timer does; None when the page that had it has gone meanwhile."""
        async with self._lock:
            return await self._ask(_Run(), fragment_id=fragment_id) if fragment_id in self.fragments else None

    @property
    def charts(self) -> Sequence[float]:
        """Seconds until each chart of the last run arrived."""
        return [at - self._run.begun for at in self._run.charts]

    async def _full(self, query: str, *, page_name: str = "", page_hash: str = "", begun: float | None = None) -> Ran:
        """Run the page; waiting for a run before it counts, as it does for a person."""
        begun = time.perf_counter() if begun is None else begun
        async with self._lock:
            self.fragments, self._query = {}, query
            self._page_hash = page_hash or self._page_hash
            return await self._ask(_Run(begun=begun), page_name=page_name)

    async def _ask(self, run: _Run, *, page_name: str = "", fragment_id: str = "") -> Ran:
        assert self._socket is not None
        self._run = run
        self._finished.clear()
        asked = BackMsg()
        state = asked.rerun_script
        state.query_string = self._query
        state.page_name = page_name
        state.page_script_hash = "" if page_name else self._page_hash
        state.fragment_id = fragment_id
        state.is_auto_rerun = bool(fragment_id)
        state.cached_message_hashes.extend(self._cached)
        state.context_info.timezone = TIME_ZONE
        state.context_info.url = f"http://localhost:{self._port}/{page_name}"
        state.context_info.color_scheme = "light"
        await self._socket.send(asked.SerializeToString())
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._finished.wait()
        if self._failed is not None:
            raise self._failed
        if run.exceptions:
            raise RuntimeError(f"The page showed an error: {run.exceptions[0]}")
        return Ran(seconds=time.perf_counter() - run.begun, messages=run.messages, bytes=run.bytes)

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                self._take(text if isinstance(text, bytes) else text.encode())
        except Exception as error:
            # Handed to whoever waits for the run that will now never finish.
            self._failed = error
            self._finished.set()
            raise

    def _take(self, text: bytes) -> None:
        message, run = ForwardMsg.FromString(text), self._run
        run.messages += 1
        run.bytes += len(text)
        if message.metadata.cacheable:
            self._cached.add(message.hash)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._page_hash = message.new_session.page_script_hash
        elif kind == "navigation":
            self._page_hash = message.navigation.page_script_hash
            self.pages = {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
        elif kind == "auto_rerun":
            self.fragments[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element.WhichOneof("type")
            if element == "plotly_chart":
                run.charts.append(time.perf_counter())
            elif element == "exception":
                run.exceptions.append(message.delta.new_element.exception.message)
        elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            self._finished.set()
