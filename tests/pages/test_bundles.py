"""Going back and rehearsing, from the entry script: what is offered, what is asked first, what came of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from services.azureml.types import Service
from services.planning.wanted import Wanted
from services.storage import ledger
from tests.kept_bundles import BORN, asked, ran, seen
from tests.pages.records import prepare_queue, register

if TYPE_CHECKING:
    from services.bootstrap import Desk
    from tests.pages.conftest import OpenPage

NAME = "back-dev"


def words(page: AppTest) -> str:
    """Everything written on a screen."""
    parts = [*page.markdown, *page.caption, *page.error, *page.warning, *page.info, *page.success, *page.code]
    return "\n".join(str(part.value) for part in parts)


def two_versions(desk: Desk, folder: Path) -> tuple[str, str]:
    """A service that ran with one version and runs with another one now, both without code."""
    first = register(desk, "going-back", folder, framework="ScikitLearn", framework_version="1.5.2").id
    second = register(desk, "going-back", folder, framework="ScikitLearn", framework_version="1.5.2").id
    wanted = Wanted(
        service=NAME,
        target="ACI",
        model_ids=(first,),
        configuration={"auth_enabled": True, "cpu_cores": 0.5, "memory_gb": 1.0},
    )
    ran(desk, "first", wanted, minute=0)
    ran(desk, "second", replace(wanted, model_ids=(second,)), minute=1)
    seen(
        desk,
        Service(
            name=NAME,
            compute_type="ACI",
            state="Healthy",
            created_at=BORN,
            model_ids=(second,),
            configuration={"auth_enabled": True, "cpu_cores": 0.5, "memory_gb": 1.0},
        ),
    )
    return first, second


def test_history_takes_a_service_back_after_showing_what_changes(
    open_page: OpenPage, desk: Desk, tmp_path: Path
) -> None:
    prepare_queue(desk)
    first, _ = two_versions(desk, tmp_path)
    page = open_page("service", identity="operator", name=NAME, view="History")
    assert not page.exception
    assert [table for table in page.dataframe if "how" in table.value.columns]
    assert first in page.button(key="history-redeploy").label
    assert page.selectbox(key="bundle-before").options[0].startswith("2026-11-20 09:01:00")

    page.button(key="history-redeploy").click().run()
    assert "becomes again what it was" in words(page)
    assert not desk.operations.page(kind="service.update")
    page.button(key="history-redeploy-confirm").click().run()

    started = desk.operations.page(kind="service.update")
    assert [(found.subject, found.arguments["wanted"]["model_ids"]) for found in started] == [(NAME, [first])]
    assert started[0].title.startswith(f"Take {NAME} back to {first}")


def test_a_viewer_sees_the_bundles_and_cannot_go_back(open_page: OpenPage, desk: Desk, tmp_path: Path) -> None:
    two_versions(desk, tmp_path)

    page = open_page("service", identity="viewer", name=NAME, view="History")

    assert page.button(key="history-redeploy").disabled


def test_a_service_nothing_is_kept_of_says_so(open_page: OpenPage, desk: Desk) -> None:
    seen(desk, Service(name=NAME, compute_type="ACI", state="Healthy", created_at=BORN))

    page = open_page("service", identity="operator", name=NAME, view="History")

    assert not page.exception
    assert "None is kept yet" in words(page)


def test_the_form_offers_a_rehearsal_and_takes_it_back_with_everything_kept(
    open_page: OpenPage, desk: Desk, tmp_path: Path
) -> None:
    prepare_queue(desk)
    first, _ = two_versions(desk, tmp_path)
    page = open_page("deploy", identity="operator", model=first)
    page.text_input(key="deploy-service").set_value("fresh-dev").run()
    page.number_input(key="deploy-memory_gb").set_value(2.0).run()

    page.button(key="deploy-rehearse").click().run()

    started = desk.operations.page(kind="service.rehearse")
    assert [found.subject for found in started] == ["fresh-dev"]
    assert page.query_params["operation"] == started[0].id
    assert "Not rehearsed" in words(page)
    page.button(key="rehearse-back").click().run()
    assert not page.exception
    assert page.text_input(key="deploy-service").value == "fresh-dev"
    assert page.number_input(key="deploy-memory_gb").value == 2.0
    assert "It is being rehearsed" in words(page)


def rehearsed(desk: Desk, said: dict[str, object]) -> None:
    """A rehearsal has ended with this."""
    asked(desk, "tried", Wanted(service="fresh-dev", target="ACI", model_ids=("m:1",)), minute=0)
    with desk.databases[0].writing() as work:
        work.execute(
            sa.update(ledger.operations)
            .where(ledger.operations.c.id == "tried")
            .values(kind="service.rehearse", subject_kind="rehearsal", ended_at=BORN, receipt={})
        )
        work.execute(
            sa.insert(ledger.operation_steps).values(
                operation="tried",
                position=4,
                name="ask",
                label="Send it a request",
                state="done",
                attempts=1,
                result=said,
            )
        )


def test_a_rehearsal_says_its_verdict_and_what_it_answered(open_page: OpenPage, desk: Desk) -> None:
    rehearsed(
        desk,
        {
            "status": 200,
            "works": True,
            "words": "It was answered.",
            "milliseconds": 12.3,
            "request": "{}",
            "answer": '{"predict": [1]}',
            "is_sample": True,
        },
    )

    page = open_page("deploy", identity="operator", operation="tried")

    assert not page.exception
    assert "Code 200 after 12 ms" in words(page)
    assert '"predict"' in words(page)
    page.text_area(key="rehearse-body-tried").set_value(" ").run()
    page.button(key="rehearse-send").click().run()
    assert "There is no request to send" in words(page)
    assert not desk.operations.page(kind="service.rehearse", state="open")


def test_an_answer_to_an_empty_request_is_no_verdict(open_page: OpenPage, desk: Desk) -> None:
    rehearsed(desk, {"status": 502, "works": False, "words": "run() raised an error.", "is_sample": False})

    page = open_page("deploy", identity="operator", operation="tried")

    assert not page.exception
    assert page.warning
    assert "asked with an empty one" in words(page)
