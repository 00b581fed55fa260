"""A deadline for calls of the SDK, most of which have none: past it the caller goes on, and nothing more is sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from threading import Thread
from typing import Any, TypeVar

from services.azureml.translate import AnswerLost
from services.errors import Unavailable

T = TypeVar("T")

_ends: ContextVar[float | None] = ContextVar("ends", default=None)


class DeadlinePassed(Unavailable):
    """Raised inside a call that has been given up, where it asks for a token."""


def within(seconds: float, call: Callable[[], T], *, doing: str, change: bool = False) -> T:
    """Run it in a thread of its own for at most so long.

    A call that is given up cannot be ended, but it can be kept from sending anything more: each request of the SDK asks
    our authentication for a token first, and gets none after the deadline.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        _ends.set(time.monotonic() + seconds)
        try:
            outcome["value"] = call()
        except BaseException as problem:  # handed to the caller's thread, whatever it is
            outcome["problem"] = problem

    thread = Thread(target=copy_context().run, args=(run,), name=f"azureml: {doing}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        if change:
            raise AnswerLost(
                f"Could not {doing} for certain: Azure ML did not answer within {seconds:.0f} s and may have done it. "
                "Look before trying again."
            )
        raise Unavailable(f"Could not {doing}: Azure ML did not answer within {seconds:.0f} s. Try again in a minute.")
    if "problem" in outcome:
        raise outcome["problem"]
    return outcome["value"]


def check() -> None:
    """Refuse when this call has been given up."""
    ends = _ends.get()
    if ends is not None and time.monotonic() > ends:
        raise DeadlinePassed("The time for this call is over: nothing more is sent.")
