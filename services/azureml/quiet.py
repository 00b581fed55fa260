"""Keeps what the SDK prints and warns off the terminal: it goes, scrubbed, to the log of `azureml.said`."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, TextIO

from services.scrubbing import scrub

logger = logging.getLogger("azureml.said")

_heard: ContextVar[io.StringIO | None] = ContextVar("heard", default=None)


class _Listening:
    """A stream that passes on what everyone writes, save those who are inside `quiet()`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        heard = _heard.get()
        return heard.write(text) if heard is not None else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Warnings:
    """Warnings are switched for the whole process: the first thread in switches them off, the last one out on."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._before = warnings.catch_warnings()

    def off(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def on(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._before.__exit__(None, None, None)


_warnings = _Warnings()


@contextmanager
def quiet() -> Iterator[None]:
    """Within it, this thread's prints and every warning go to the log instead of the terminal.

    The streams are replaced by ones that ask the thread who it is: the other threads of the worker go on printing.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, _Listening):
            setattr(sys, name, _Listening(stream))
    heard = io.StringIO()
    before = _heard.set(heard)
    _warnings.off()
    try:
        yield
    finally:
        _warnings.on()
        _heard.reset(before)
        if heard.getvalue().strip():
            logger.debug("%s", scrub(heard.getvalue()).strip())
