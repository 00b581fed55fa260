"""Keeps the SDK from writing the commit of the desk's own checkout into the services it deploys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_inside = 0
_before: str | None = None


@contextmanager
def hidden_checkout() -> Iterator[None]:
    """Within it, git finds no repository: `azureml.git.commit` would name our code, not that of the model.

    The variable is the whole process's: the first one in sets it, the last one out takes it back.
    """
    global _inside, _before
    with _lock:
        if _inside == 0:
            _before = os.environ.get("GIT_DIR")
            os.environ["GIT_DIR"] = os.devnull
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                if _before is None:
                    os.environ.pop("GIT_DIR", None)
                else:
                    os.environ["GIT_DIR"] = _before
