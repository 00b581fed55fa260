"""Incidents through the services and on their screens: opened in three ways, led, written down, closed, exported."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard import context, routes, routes_incidents
from services.access import LOCAL_IDENTITIES
from services.alerts import Alert
from services.errors import Conflict, Forbidden, Invalid, NotFound
from services.monitoring import Span
from services.storage import ledger, mirror
from tests.pages import records
from tests.pages.test_services import PROD, WINE, read, words

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from services.incident_records import Incident
    from tests.pages.conftest import OpenPage

OPERATOR, VIEWER, APPROVER = (LOCAL_IDENTITIES[name] for name in ("operator", "viewer", "approver"))
SECRET = "sv=2022-11-02&sig=abcdefghijklmnopqrstuvwxyz0123456789ABCDEF%3D"


@pytest.fixture
def opened(desk: Desk) -> Incident:
    """An open incident about one service."""
    read(desk, WINE, PROD)
    return desk.incidents.open_by_hand(OPERATOR, title="wine prod answers 502", services=["wine-prod"])


def alert(desk: Desk, service: str = "wine-prod") -> Alert:
    """An alert that is open."""
    made = Alert(
        id="a" * 32,
        service=service,
        kind="errors",
        stage="prod",
        opened_at=desk.clock.now() - timedelta(minutes=3),
        closed_at=None,
        worst=0.2,
        threshold=0.05,
        sentence="20 % of its requests fail, more than the 5 % allowed",
    )
    with desk.databases[0].writing() as work:
        values = {column.name: getattr(made, column.name, None) for column in ledger.alerts.columns}
        work.execute(sa.insert(ledger.alerts).values(values | {"workspace": desk.workspace}))
    return made


def test_incidents_are_numbered_and_found_by_service(desk: Desk, opened: Incident) -> None:
    second = desk.incidents.open_from_service(APPROVER, "wine-dev")

    assert (opened.id, second.id) == ("INC-1", "INC-2")
    assert second.title == "wine-dev dev is in trouble"
    assert desk.incidents.open_of("wine-prod") == opened
    assert [one.id for one in desk.incidents.page(service="wine-dev")] == ["INC-2"]
    assert desk.incidents.count(text="502") == 1
    assert desk.incidents.open_from_service(OPERATOR, "wine-prod").id == opened.id, "there is one already"


def test_an_alert_gives_its_words_and_when_it_was_detected(desk: Desk) -> None:
    read(desk, PROD)
    said = alert(desk)

    found = desk.incidents.open_from_alert(OPERATOR, said)

    assert found.title == "wine-prod: 20 % of its requests fail, more than the 5 % allowed"
    assert (found.alert, found.detected_at, found.started_at) == (said.id, said.opened_at, said.opened_at)
    assert found.severity == 2, "trouble in production hurts people"
    assert desk.incidents.open_from_alert(OPERATOR, said).id == found.id


def test_a_double_click_is_one_incident(desk: Desk, opened: Incident) -> None:
    again = desk.incidents.open_by_hand(OPERATOR, title="wine prod answers 502", services=["wine-prod"])

    assert again.id == opened.id
    assert desk.incidents.count() == 1


def test_a_viewer_may_look_and_nothing_else(desk: Desk, opened: Incident) -> None:
    for command in (
        lambda: desk.incidents.open_by_hand(VIEWER, title="x"),
        lambda: desk.incidents.stabilise(VIEWER, opened.id),
        lambda: desk.incident_notes.note(VIEWER, opened.id, "x"),
        lambda: desk.drafts.keep(VIEWER, "x", "y"),
        lambda: desk.incident_reports.export(VIEWER, opened.id, "md"),
    ):
        with pytest.raises(Forbidden):
            command()
    assert desk.audit.count(action="incident") == 5 + 1
    assert desk.incidents.get(opened.id) == opened


def test_what_is_wrong_is_refused_in_words(desk: Desk, opened: Incident) -> None:
    with pytest.raises(Invalid, match="no service named beer-prod"):
        desk.incidents.open_by_hand(OPERATOR, title="x", services=["beer-prod"])
    with pytest.raises(NotFound, match="no incident INC-9"):
        desk.incidents.lead(OPERATOR, "INC-9")
    with pytest.raises(Invalid, match="Write something first"):
        desk.incident_notes.note(OPERATOR, opened.id, "  ")
    with pytest.raises(Invalid, match="without an owner"):
        desk.incident_notes.add_action(OPERATOR, opened.id, text="Test it", owner="")


def test_what_was_decided_on_an_older_state_is_refused(desk: Desk, opened: Incident) -> None:
    desk.incidents.stabilise(OPERATOR, opened.id)

    with pytest.raises(Conflict, match="INC-1 is stable already"):
        desk.incidents.stabilise(APPROVER, opened.id)


def test_its_course_is_in_the_audit_log_and_its_timeline(desk: Desk, opened: Incident) -> None:
    records.prepare_queue(desk)
    operation = desk.operations.start(
        OPERATOR, "service.update", "wine-prod", {"service": "wine-prod"}, title="Change wine-prod: timeout"
    )
    desk.audit.record_alone(APPROVER, "keys.reveal", "service", "wine-prod")
    alert(desk)
    with desk.databases[1].writing() as work:
        work.execute(
            sa.insert(mirror.state_changes).values(
                workspace=desk.workspace, service="wine-prod", at=desk.clock.now(), before="Healthy", after="Unhealthy"
            )
        )
    desk.incidents.lead(APPROVER, opened.id)
    desk.incidents.change(OPERATOR, opened.id, severity=1, services=["wine-dev", "wine-prod"])
    desk.incident_notes.note(OPERATOR, opened.id, "It is the **new** column.")
    desk.incidents.stabilise(OPERATOR, opened.id)

    story = desk.stories.of(opened.id)

    told = [(entry.kind, entry.text) for entry in story.entries]
    for expected in (
        ("change", "Change wine-prod: timeout"),
        ("state", "wine-prod: healthy → unhealthy"),
        ("alert", "Alert: wine-prod: 20 % of its requests fail, more than the 5 % allowed"),
        ("record", "wine-prod: revealed the keys"),
        ("incident", "INC-1 opened: wine prod answers 502"),
        ("incident", "Commander: local approver"),
        ("incident", "Affected: wine-dev, wine-prod; Severity 1"),
        ("note", "It is the **new** column."),
        ("incident", "Said to be stable"),
    ):
        assert expected in told
    assert [entry.at for entry in story.entries] == sorted(entry.at for entry in story.entries)
    assert next(entry for entry in story.entries if entry.kind == "change").link is not None
    assert dict(next(entry for entry in story.entries if entry.kind == "change").link.query) == {"operation": operation}  # type: ignore[union-attr]
    assert desk.incidents.get(opened.id).services == ("wine-dev", "wine-prod")


def test_a_change_from_elsewhere_is_a_suspect_too(desk: Desk) -> None:
    read(desk, PROD)
    with desk.databases[1].writing() as work:
        for minutes, before, after in ((9, "Healthy", "Transitioning"), (8, "Transitioning", "Healthy")):
            work.execute(
                sa.insert(mirror.state_changes).values(
                    workspace=desk.workspace,
                    service="wine-prod",
                    at=desk.clock.now() - timedelta(minutes=minutes),
                    before=before,
                    after=after,
                )
            )
    incident = desk.incidents.open_from_service(OPERATOR, "wine-prod")

    suspects = desk.stories.of(incident.id).suspects

    assert [suspect.change.title for suspect in suspects] == ["wine-prod was changed outside the desk"]
    assert "not made through this desk" in suspects[0].reasons


def test_notes_and_drafts_hold_no_secret_and_a_draft_is_one_persons(desk: Desk, opened: Incident) -> None:
    desk.incident_notes.note(OPERATOR, opened.id, f"I called ?{SECRET}")
    desk.drafts.keep(OPERATOR, "INC-1-note", f"half a sentence ?{SECRET}")

    assert "sig=abc" not in desk.incident_notes.notes(opened.id)[0].text
    assert desk.drafts.find(OPERATOR, "INC-1-note").startswith("half a sentence")
    assert "sig=abc" not in desk.drafts.find(OPERATOR, "INC-1-note")
    assert desk.drafts.find(APPROVER, "INC-1-note") == ""
    desk.drafts.drop(OPERATOR, "INC-1-note")
    assert desk.drafts.find(OPERATOR, "INC-1-note") == ""


def test_a_chart_gets_the_incidents_of_its_services_as_ranges(desk: Desk, opened: Incident) -> None:
    now = desk.clock.now()
    span = Span(start=now - timedelta(hours=1), end=now + timedelta(minutes=1), step=timedelta(minutes=1))

    assert [one.id for one in desk.incidents.ranges(span, ["wine-prod"])] == ["INC-1"]
    assert desk.incidents.ranges(span, ["wine-dev"]) == []
    assert desk.incidents.ranges(span)[0].end is None
    stable = desk.incidents.stabilise(OPERATOR, opened.id)
    assert desk.incidents.ranges(span)[0].end == stable.stable_at


def test_the_report_names_all_and_carries_the_hash_of_its_sources(desk: Desk, opened: Incident) -> None:
    desk.incident_notes.note(OPERATOR, opened.id, "a | pipe, a <script>alert(1)</script>")
    desk.incident_notes.add_action(
        OPERATOR, opened.id, text="Check columns", owner="local approver", due=date(2026, 12, 1)
    )
    desk.incidents.close(OPERATOR, opened.id, what_happened="A column was missing.", what_helped="Going back to v5.")

    made = {form: desk.incident_reports.export(OPERATOR, opened.id, form).content for form in ("json", "md", "html")}

    sha256 = hashlib.sha256(made["json"].encode()).hexdigest()
    assert json.loads(made["json"])["incident"]["title"] == "wine prod answers 502"
    for form in ("md", "html"):
        for part in (sha256, "A column was missing.", "Going back to v5.", "Check columns", "2026-12-01", "UTC"):
            assert part in made[form]
    assert "a \\| pipe" in made["md"]
    assert "<script" not in made["html"]
    assert "&lt;script&gt;" in made["html"]
    assert "http://" not in made["html"].replace("http://www.w3.org/2000/svg", "")
    assert desk.audit.page(action="incident.export")[0].after["sha256"] == sha256
    with pytest.raises(NotFound, match="choose md, html or json"):
        desk.incident_reports.export(OPERATOR, opened.id, "exe")


@pytest.mark.parametrize(("identity", "status"), [(None, 403), ("viewer", 403), ("operator", 200)])
def test_a_report_is_given_to_who_may_export_it(
    desk: Desk, opened: Incident, identity: str | None, status: int
) -> None:
    cookies = {context.COOKIE: desk.sessions.start_local(identity)} if identity else {}
    answering = Starlette(routes=routes_incidents.ROUTES, exception_handlers=routes.EXCEPTIONS)
    with TestClient(answering, base_url="http://localhost", cookies=cookies) as client:
        answer = client.get(f"/reports/{opened.id}.html")
        missing = client.get("/reports/INC-99.md")

    assert (answer.status_code, missing.status_code) == (status, 404 if status == 200 else 403)
    if status == 200:
        assert answer.headers["content-disposition"] == 'attachment; filename="INC-1.html"'
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "no-store" in answer.headers["cache-control"]
    else:
        assert "this needs an operator" in answer.json()["error"]


def test_nothing_open_teaches_where_incidents_come_from(open_page: OpenPage) -> None:
    page = open_page("incidents")

    assert "There was no incident yet" in words(page)
    assert page.button(key="incidents-open").disabled, "a viewer opens none"


def test_one_is_opened_by_hand_on_the_list(open_page: OpenPage, desk: Desk) -> None:
    read(desk, PROD)
    page = open_page("incidents", identity="operator")

    page.button(key="incidents-open").click().run()
    page.text_input(key="incidents-open-title").set_value("wine prod is slow").run()
    page.multiselect(key="incidents-open-services").set_value(["wine-prod"]).run()
    page.button(key="incidents-open-confirm").click().run()

    made = desk.incidents.open()
    assert [(one.title, one.services) for one in made] == [("wine prod is slow", ("wine-prod",))]
    assert "INC-1 wine prod is slow" in words(page)


def test_an_open_incident_stands_first_on_the_overview_and_on_its_service(
    open_page: OpenPage, opened: Incident
) -> None:
    overview = open_page("overview")
    assert "1 open incident" in overview.header[0].value
    assert "**INC-1** wine prod answers 502" in words(overview)

    service = open_page("service", identity="operator", name="wine-prod")
    assert "service-incident" not in {button.key for button in service.button}
    assert any(str(link.proto.label).startswith("INC-1, open") for link in service.get("page_link"))


def test_its_page_shows_suspects_timeline_and_what_is_not_known(open_page: OpenPage, opened: Incident) -> None:
    page = open_page("incident", identity="operator", id="INC-1")

    assert not page.exception
    said = words(page)
    assert "No change through this desk fits" in said
    assert "INC\\-1 opened" in said
    assert "nobody leads it yet" in said


def test_it_is_led_focused_stabilised_and_closed_on_screen(open_page: OpenPage, desk: Desk, opened: Incident) -> None:
    page = open_page("incident", identity="operator", id="INC-1")

    page.button(key="incident-lead").click().run()
    page.button(key="incident-focus").click().run()
    assert desk.incidents.get("INC-1").commander == "local operator"
    assert desk.incidents.get("INC-1").is_focused
    page.button(key="incident-stable").click().run()
    page.button(key="incident-stable-confirm").click().run()
    page.button(key="incident-close").click().run()
    page.text_area(key="draft-INC-1-happened").set_value("A column was missing.").run()
    page.text_area(key="draft-INC-1-helped").set_value("Going back.").run()
    assert desk.drafts.find(OPERATOR, "INC-1-happened") == "A column was missing."
    page.button(key="incident-close-now").click().run()

    closed = desk.incidents.get("INC-1")
    assert closed.status == "closed"
    assert closed.review is not None
    assert closed.review.what_happened == "A column was missing."
    assert desk.drafts.find(OPERATOR, "INC-1-happened") == ""


def test_a_typed_note_survives_a_reload_and_stands_in_the_timeline_when_added(
    open_page: OpenPage, desk: Desk, opened: Incident
) -> None:
    page = open_page("incident", identity="operator", id="INC-1")
    page.text_input(key="draft-INC-1-note").set_value("it began with the new column").run()

    reloaded = open_page("incident", identity="operator", id="INC-1")
    assert reloaded.text_input(key="draft-INC-1-note").value == "it began with the new column"
    reloaded.button(key="INC-1-note-add").click().run()

    assert [note.text for note in desk.incident_notes.notes("INC-1")] == ["it began with the new column"]
    assert reloaded.text_input(key="draft-INC-1-note").value == ""
    assert "it began with the new column" in words(reloaded)


def test_the_end_of_a_session_ends_no_incident_and_loses_no_draft(
    open_page: OpenPage, desk: Desk, opened: Incident
) -> None:
    page = open_page("incident", identity="operator", id="INC-1")
    page.text_input(key="draft-INC-1-note").set_value("half a sent").run()
    desk.sessions.end(page.session_state["desk_session"])
    page.run()

    assert desk.incidents.get("INC-1").is_open
    back = open_page("incident", identity="operator", id="INC-1")
    assert back.text_input(key="draft-INC-1-note").value == "half a sent"


def test_actions_have_owners_and_are_ticked_off(open_page: OpenPage, desk: Desk, opened: Incident) -> None:
    page = open_page("incident", identity="operator", id="INC-1", view="Review")
    page.text_input(key="action-INC-1-text").set_value("Check columns").run()
    page.text_input(key="action-INC-1-owner").set_value("local approver").run()
    page.button(key="action-INC-1-add").click().run()
    action = desk.incident_notes.actions("INC-1")[0]

    page.button(key=f"action-done-{action.id}").click().run()

    assert desk.incident_notes.actions("INC-1")[0].done_at is not None


def test_the_wall_has_no_controls(open_page: OpenPage, opened: Incident) -> None:
    page = open_page("incident", id="INC-1", wall="1")

    assert not page.exception
    assert not page.text_input
    assert not [button for button in page.button if str(button.key).startswith("incident")]
    assert any("INC-1 wine prod answers 502" in title.value for title in page.title)


@pytest.mark.parametrize("asked", [{}, {"id": "INC-9"}, {"id": "x"}])
def test_an_address_that_leads_nowhere_is_told_in_words(open_page: OpenPage, asked: dict[str, str]) -> None:
    page = open_page("incident", **asked)

    assert not page.exception
    assert "no incident" in words(page) or "does not say which" in words(page)
