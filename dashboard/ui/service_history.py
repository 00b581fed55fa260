"""History of one service: operations, audit log, and the difference between any two bundles."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from dashboard import context, navigation, reads_services
from dashboard.ui import headings, operation_words, redeploy, service_words, states, tables, times
from services.bundle_changes import differences
from services.bundles import Bundle
from services.operations.records import Operation
from services.planning.plan import show as value
from services.webservices import ListedService


def show(listed: ListedService) -> None:
    """Show everything that happened to it."""
    name = listed.service.name
    _operations(name)
    _bundles(name)
    _audit(name)


def gone(name: str) -> None:
    """Show what happened to a service that is not there any more."""
    if reads_services.operations(name):
        _operations(name)
        if reads_services.bundles(name):
            _bundles(name)
        _audit(name)


def _operations(name: str) -> None:
    headings.section("Operations", "What was done through this desk, newest first. A name opens the operation.")
    found = reads_services.operations(name)
    tables.show(
        [_row(operation) for operation in found],
        key="history-operations",
        alt="Operations on this service, newest first.",
        columns={
            "title": st.column_config.ButtonColumn(
                "Operation",
                type="tertiary",
                alignment="left",
                key="open-operation",
                on_click=_open,
                args=([operation.id for operation in found],),
            ),
            "state": states.column(operation_words.state(operation) for operation in found) | {"width": 130},
            "by": tables.text("By"),
            "at": times.column("Asked for", relative=False),
            "took": tables.text("Took"),
            "reason": tables.text("Why", wide=True),
        },
        empty="Nothing was done to it through this desk: it was made with the SDK or the portal.",
    )


def _open(ids: list[str]) -> None:
    navigation.go("operations", operation=ids[st.session_state["open-operation"]["row"]])


def _row(operation: Operation) -> dict[str, object]:
    return {
        "title": operation.title,
        "state": [states.plain(operation_words.state(operation))],
        "by": operation.person_name,
        "at": operation.requested_at,
        "took": times.span(operation.took(context.now())),
        "reason": operation.reason,
    }


def _bundles(name: str) -> None:
    headings.section(
        "Bundles",
        "What exactly ran: model versions, code, environment, configuration. Any of them can run again.",
    )
    bundles = {bundle.operation: bundle for bundle in reads_services.bundles(name)}
    tables.show(
        [_bundle_row(bundle) for bundle in bundles.values()],
        key="history-bundles",
        alt="Bundles of this service, newest first.",
        columns={
            "at": times.column("Since", relative=False),
            "models": tables.text("Models"),
            "code": tables.text("Code"),
            "environment": tables.text("Environment"),
            "how": tables.text("How it came here"),
            "remarks": tables.text("What is missing", wide=True)
            if any(bundle.remarks for bundle in bundles.values())
            else None,
        },
        empty="None is kept yet: the worker reads every service back soon after it first sees it.",
    )
    if not bundles:
        return
    # One alone is mostly what runs now; when it is not, it is what ran before.
    chosen = _compare(bundles) if len(bundles) > 1 else reads_services.bundle_before(name)
    if chosen is not None:
        redeploy.button(name, key="history-redeploy", bundle=chosen, label=f"Take it back to {_label(chosen)}")


def _compare(bundles: Mapping[str, Bundle]) -> Bundle | None:
    """Choose two, see what differs; the one before, to which the service can be taken back."""
    # Its operation stands for a bundle: a place in the list would be another bundle's after the next deployment.
    ids = list(bundles)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        before = st.selectbox(
            "Before", ids, index=1, format_func=lambda found: _label(bundles[found]), key="bundle-before", width=360
        )
        after = st.selectbox(
            "After", ids, index=0, format_func=lambda found: _label(bundles[found]), key="bundle-after", width=360
        )
    if before is None or after is None:
        return None
    if before != after:
        _difference(bundles[before], bundles[after])
    return bundles[before]


def _difference(before: Bundle, after: Bundle) -> None:
    tables.show(
        [
            {"field": change.label, "before": value(change.before), "after": value(change.after)}
            for change in differences(before.wanted, after.wanted)
        ],
        key="bundle-changes",
        alt="What differs between the two bundles.",
        columns={
            "field": tables.text("Field"),
            "before": tables.text("Before", wide=True),
            "after": tables.text("After", wide=True),
        },
        empty="These two are the same.",
    )


def _bundle_row(bundle: Bundle) -> dict[str, object]:
    wanted = bundle.wanted
    return {
        "at": bundle.created_at,
        "models": ", ".join(wanted.model_ids),
        "code": wanted.code.words if wanted.code else "none of its own",
        "environment": wanted.environment.words if wanted.environment else "made by Azure",
        "how": "read back from Azure" if bundle.is_read_back else f"{bundle.person_name or 'somebody'}, from here",
        "remarks": " ".join(bundle.remarks),
    }


def _label(bundle: Bundle) -> str:
    # Always with its day: a label that changes at midnight loses what was chosen.
    at = bundle.created_at.astimezone(context.zone())
    return f"{at:%Y-%m-%d %H:%M:%S} · {', '.join(bundle.wanted.model_ids)} · {bundle.sha256[:8]}"


def _audit(name: str) -> None:
    headings.section("Audit log", "Who did or tried what, reveals and refusals included; newest first.")
    tables.show(
        [
            {
                "at": entry.at,
                "who": entry.person_name,
                "action": service_words.action(entry.action),
                "result": entry.result,
                "reason": entry.reason,
            }
            for entry in reads_services.audit(name)
        ],
        key="history-audit",
        alt="Audit entries about this service, newest first.",
        columns={
            "at": times.column("When", relative=False),
            "who": tables.text("Who"),
            "action": tables.text("What"),
            "result": tables.text("Result"),
            "reason": tables.text("Why", wide=True),
        },
        empty="The audit log has nothing about it yet.",
    )
