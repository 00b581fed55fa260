"""The access lines that wait for Azure Monitor, and the row that a line becomes."""

from __future__ import annotations

import json

import pytest

from local_workspace.container_insights import access_document
from local_workspace.insights import container_logs
from local_workspace.insights.envelopes import BadBody
from local_workspace.scoring.front_end import access_log
from local_workspace.scoring.front_end.access_log import AccessLine, Outbox


def line(number: int, *, code: int = 200, path: str = "/score") -> AccessLine:
    return AccessLine(number, 1.8e9 + number, f"id-{number}", "", "POST", path, code, 12.3456, 11.5, "one-abc.2", "")


def test_lines_are_given_again_until_it_is_said_that_they_arrived() -> None:
    outbox = Outbox()
    for number in range(5):
        outbox.put("one", line(number))

    first = outbox.take(most=2, arrived=[])
    again = outbox.take(most=2, arrived=[])
    second = outbox.take(most=2, arrived=first["mark"])

    assert first == again
    assert [name for name, _ in first["lines"]] == ["one", "one"]
    assert [found.number for _, found in second["lines"]] == [2, 3]
    assert (first["left"], second["left"]) == (3, 1)
    last = outbox.take(most=9, arrived=second["mark"])
    assert outbox.take(most=9, arrived=last["mark"])["lines"] == []


def test_another_front_ends_marks_say_nothing_about_this_ones_lines() -> None:
    before, outbox = Outbox(), Outbox()
    before.put("one", line(0))
    mark = before.take(most=1, arrived=[])["mark"]
    outbox.put("one", line(1))

    assert len(outbox.take(most=9, arrived=mark)["lines"]) == 1


def test_when_nobody_takes_them_the_oldest_lines_go_and_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "WAITING_LINES", 3)
    outbox = Outbox()
    for number in range(5):
        outbox.put("one", line(number))

    taken = outbox.take(most=9, arrived=[])

    assert (taken["lost"], [found.number for _, found in taken["lines"]]) == (2, [2, 3, 4])


def test_a_line_becomes_a_document_and_the_document_a_row() -> None:
    document = access_document("one", line(7, code=503))
    body = [{"TimeGenerated": document["time"], "LogMessage": document, "ContainerName": "azureml-fe"}]

    (row,) = container_logs.read(json.dumps(body).encode())["ContainerLogV2"]

    assert (document["kind"], document["replica"], document["duration_ms"]) == ("access", "one-abc", 12.346)
    assert (row["LogLevel"], row["ContainerName"], row["Type"]) == ("ERROR", "azureml-fe", "ContainerLogV2")
    assert json.loads(row["LogMessage"]) == document
    assert row["TimeGenerated"].isoformat() == "2027-01-15T08:00:07"
    assert access_document("one", line(8, path="/swagger.json"))["kind"] == "other"


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[1]", b'[{"Nothing": 1}]', b'[{"TimeGenerated": "soon"}]'])
def test_what_is_no_list_of_lines_is_refused(body: bytes) -> None:
    with pytest.raises(BadBody):
        container_logs.read(body)
