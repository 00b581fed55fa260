"""What a code means to the caller, what happened in the container, and which source can show it.

`preludes/failures.kql` applies this map; the same words explain it on screen and name the failures of our own requests.
"""

from __future__ import annotations

from dataclasses import dataclass

NO_ANSWER = 0
"""Stands for a code where no answer came at all."""


@dataclass(frozen=True, kw_only=True)
class CodeMeaning:
    """One line of the map."""

    client: str
    """The code the caller sees."""
    container: str
    """What the container recorded, or that it never saw the call."""
    meaning: str
    failure: str
    """The word of the charts for it, as in the column `Failure`."""
    telemetry: bool
    """Whether the containers' telemetry shows it; the front end's log, probes and tests always do."""


SCRIPT_RAISED = "script raised"
RAN_OUT = "script ran out of time"
SOFT = "success whose body is an error"
ANSWERED = "answered by the script or the server"
DIED = "replica died"
REFUSED = "key or token not accepted"
TOO_LARGE = "body larger than the limit"
LEFT = "caller left before the answer"
NO_ROOM = "no replica became free"
TOO_SLOW = "longer than the scoring timeout"
UNANSWERED = "no answer came"

CODE_MAP: tuple[CodeMeaning, ...] = (
    CodeMeaning(
        client="200",
        container="200",
        meaning="It was answered, and the answer itself says that it failed.",
        failure=SOFT,
        telemetry=True,
    ),
    CodeMeaning(
        client="502, x-ms-run-function-failed: True",
        container="500",
        meaning="run() raised: the front end turns the container's 500 into a 502.",
        failure=SCRIPT_RAISED,
        telemetry=True,
    ),
    CodeMeaning(
        client="504",
        container="500, with UserScriptTimeout or a body that starts “Scoring timeout after”",
        meaning="The script ran longer than the scoring timeout, and the container noticed it itself.",
        failure=RAN_OUT,
        telemetry=True,
    ),
    CodeMeaning(
        client="4xx or 5xx",
        container="the same",
        meaning="The script or the inference server answered with this code itself.",
        failure=ANSWERED,
        telemetry=True,
    ),
    CodeMeaning(
        client="401, 403",
        container="never asked",
        meaning="No key, a wrong one, or a token that has ended.",
        failure=REFUSED,
        telemetry=False,
    ),
    CodeMeaning(
        client="413",
        container="never asked",
        meaning="The body is larger than 100 MB.",
        failure=TOO_LARGE,
        telemetry=False,
    ),
    CodeMeaning(
        client="502",
        container="nothing: it died",
        meaning="The replica ended before it answered; it is started again.",
        failure=DIED,
        telemetry=False,
    ),
    CodeMeaning(
        client="503",
        container="never asked",
        meaning="All replicas were busy for longer than the longest wait in the queue.",
        failure=NO_ROOM,
        telemetry=False,
    ),
    CodeMeaning(
        client="504",
        container="nothing, or a late 200",
        meaning="No answer within the scoring timeout: the front end gave up, perhaps the replica had to be ended.",
        failure=TOO_SLOW,
        telemetry=False,
    ),
    CodeMeaning(
        client="none (499)",
        container="nothing, or a late 200",
        meaning="The caller hung up before the answer came.",
        failure=LEFT,
        telemetry=False,
    ),
)

COUNTED_ONCE = (
    "A call that the front end's log and the containers' telemetry both have is counted once, with the code of the log."
)


def failure_of(status: int | None, *, run_failed: bool = False) -> str:
    """The charts' word for what one of our own requests came back with."""
    if status is None:
        return UNANSWERED
    if status == 502:
        return SCRIPT_RAISED if run_failed else "script raised or replica died"
    by_code = {401: REFUSED, 403: REFUSED, 413: TOO_LARGE, 503: NO_ROOM, 504: TOO_SLOW}
    return by_code.get(status, ANSWERED)
