"""A container's log, as servers of all ages write it: severity, time, request id, probes, and what filters leave."""

from __future__ import annotations

from datetime import UTC, datetime

from services.container_logs import matching, parse

ID = "0b5e9c1e-6f6b-4e0e-9a43-1d3c5a7b9f10"
NEW = f"""2026-11-21 17:05:18,384 I [21538] gunicorn.error - Starting gunicorn 27.0.1
2026-11-21 17:05:19,047 W [21539] azmlinfsrv - Found extra keys
Extra keys = ['A']
2026-11-21 17:05:20,001 I [21539] azmlinfsrv - GET / 200 0.500ms 7
2026-11-21 17:05:25,550 I [21539] azmlinfsrv - POST /score 200 0.980ms 17
2026-11-21 17:05:26,000 E [21539] azmlinfsrv - Encountered Exception: Traceback (most recent call last):
  File "score.py", line 3, in run
ValueError: feature 7 missing
2026-11-21 17:05:27,000 I [21539] azmlinfsrv - {ID}, POST /score 500 1.000ms 20"""
OLD = f"""no request id,Initializing logger
2021-03-18 21:23:26,086 | root | INFO | Starting up app insight hooks
[2021-03-18 21:23:26 +0000] [40] [WARNING] Worker timeout
{ID},Received input
127.0.0.1 - - [18/Mar/2021:21:23:30 +0000] "GET / HTTP/1.0" 200 7 "-" "kube-probe/1.18"
no request id, Validation Request Content-Type"""


def test_a_line_has_its_time_in_utc_and_its_severity() -> None:
    lines = parse(NEW)

    assert lines[0].at == datetime(2026, 11, 21, 17, 5, 18, 384000, tzinfo=UTC)
    assert [line.severity for line in lines] == [
        "info",
        "warning",
        "warning",
        "info",
        "info",
        "error",
        "error",
        "error",
        "info",
    ]


def test_a_traceback_without_a_head_is_an_error() -> None:
    assert [line.severity for line in parse("hello\nTraceback (most recent call last):\n  x\nValueError: no")] == [
        "info",
        "error",
        "error",
        "error",
    ]


def test_older_images_are_read_too_and_lose_their_no_request_id() -> None:
    lines = parse(OLD)

    assert lines[0].text == "Initializing logger"
    assert lines[-1].text == "Validation Request Content-Type"
    assert [line.severity for line in lines[1:3]] == ["info", "warning"]
    assert lines[3].request_id == ID
    assert lines[-1].request_id == ""


def test_probes_are_told_from_requests() -> None:
    assert [line.is_probe for line in parse(NEW)].count(True) == 1
    assert [line.text for line in parse(OLD) if line.is_probe] == [parse(OLD)[4].text]


def test_filters_leave_what_fits_all_of_them() -> None:
    lines = parse(NEW)

    assert len(matching(lines)) == len(lines) - 1
    assert len(matching(lines, hide_probes=False)) == len(lines)
    assert [line.text for line in matching(lines, severities=["error"], text="FEATURE")] == [
        "ValueError: feature 7 missing"
    ]
    assert [line.request_id for line in matching(lines, request_id=ID.upper())] == [ID]
    assert not matching(lines, severities=["warning"], text="feature")


def test_nothing_written_is_no_line() -> None:
    assert parse("") == []
