"""A stack of one's own, and what the kill tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kills.desk_stack import DeskStack


@pytest.fixture
def stack(tmp_path: Path, _sdk_home: Path) -> Iterator[DeskStack]:
    """New for each test."""
    made = DeskStack(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()
