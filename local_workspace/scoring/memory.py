"""The memory a replica may have: what wants more than it asked for is killed, as the kernel does with a container.

Counted is what its processes hold for themselves; files they share with others are nobody's. Linux only: elsewhere
there is no limit.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
GIGABYTE = 1024**3


def end_what_is_too_much(master: int, *, limit_gb: float) -> float:
    """Kill the largest process of a replica that holds more than its limit; how many GB it held, 0 = all is well."""
    if sys.platform != "linux":
        return 0.0
    held = {pid: _private_bytes(pid) for pid in _family(master)}
    total = sum(held.values())
    if total <= limit_gb * GIGABYTE:
        return 0.0
    # gunicorn's master starts another worker; killed itself, it would take all of them along.
    workers = {pid: size for pid, size in held.items() if pid != master} or held
    try:
        os.kill(max(workers, key=lambda pid: workers[pid]), signal.SIGKILL)
    except ProcessLookupError:
        return 0.0
    return total / GIGABYTE


def _family(pid: int) -> list[int]:
    """A process and everything it started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(descendant for child in children for descendant in _family(int(child)))]


def _private_bytes(pid: int) -> int:
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return (int(resident) - int(shared)) * PAGE_BYTES
