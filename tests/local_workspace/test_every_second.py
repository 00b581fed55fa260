"""What is done every second goes on after a turn that fails, and ends with what is done last."""

from __future__ import annotations

import threading

from local_workspace.every_second import EverySecond


def test_a_failing_turn_does_not_end_it() -> None:
    turns: list[str] = []
    again = threading.Event()

    def work() -> None:
        turns.append("work")
        if len(turns) == 1:
            raise OSError("the disk is full")
        again.set()

    ticking = EverySecond(work, name="test", at_end=lambda: turns.append("end"))
    ticking.start()
    assert again.wait(10), f"no turn after the one that failed: {turns}"
    ticking.close()

    assert turns[-1] == "end"
    assert turns.count("end") == 1


def test_one_that_never_began_can_be_closed() -> None:
    EverySecond(lambda: None, name="test").close()
