"""What may have done it: the recent changes, the most suspicious first, each with its reasons and the way back."""

from __future__ import annotations

import streamlit as st

from dashboard import context, navigation, reads_causes, reads_incidents, reads_services
from dashboard.ui import causes, errors, headings, incident_pulse, incident_words, redeploy, states, tables, times
from dashboard.ui.operation_words import escaped
from services.bundles import Bundle
from services.incident_records import Incident
from services.incident_story import Story
from services.onset import RULE
from services.suspects import Suspect

SHOWN = 5
RANKING = (
    "Changes stand higher the shorter before it they ended, the more they share with what failed, the riskier their "
    "kind, and when an error appeared after them that was never seen before."
)
GOES_BACK = ("service.deploy", "service.update")


def show(story: Story) -> None:
    """Show them."""
    headings.section("Suspects")
    st.caption(_since(story), help=f"{RULE} {RANKING}")
    if not story.suspects:
        tables.nothing(
            "No change through this desk fits: look at what the services call, at their data, and at the cluster."
            if story.incident.services
            else "The incident names no service: name one under Change, and its recent changes are ranked here."
        )
    for place, suspect in enumerate(story.suspects[:SHOWN], start=1):
        _suspect(story, suspect, place)
    for sentence in story.missing:
        st.caption(f":material/visibility_off: {escaped(sentence)}")
    st.fragment(_watch, run_every=incident_pulse.every(story.incident))(story)


def causes_of(incident: Incident) -> None:
    """Show what probably happened to each of its services, while that still matters."""
    if not incident.is_open:
        return
    for name in incident.services:
        with errors.explained():
            # An incident is there before the next summary of the last hour: its services are asked at once.
            found = reads_causes.of_service(name, is_known_ill=True)
            if found:
                words = f"{causes.TITLE}: {name}" if len(incident.services) > 1 else causes.TITLE
                headings.section(words)
                causes.show(found, key=f"causes-{name}", title=False)


def _watch(before: Story) -> None:
    """Draw the screen anew when it is not the same story any more; until then leave its buttons and dialogs alone."""
    with errors.explained():
        if _outline(reads_incidents.story(before.incident.id)) != _outline(before):
            st.rerun()


def _outline(story: Story) -> tuple[object, ...]:
    return story.incident, story.first_bad, story.missing, [(one.change, one.signature) for one in story.suspects]


def _suspect(story: Story, suspect: Suspect, place: int) -> None:
    change = suspect.change
    with st.container(border=True, key=f"suspect-{place}", gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{place}** {escaped(change.title)}", width="content")
            if change.state:
                states.badge(change.state)
            st.space("stretch")
            with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
                if change.kind != "outside":
                    navigation.link("operations", "Open", icon=":material/checklist:", operation=change.id)
                if suspect.signature:
                    navigation.link(
                        "logs", "The error", icon=":material/error:", view="Failures", group=suspect.signature.id
                    )
                if change.kind in GOES_BACK and change.subject_kind == "service" and story.incident.is_open:
                    _way_back(suspect, place)
        by = f" by {escaped(change.person)}" if change.person else ""
        st.caption(
            f"{times.absolute(change.at)}{by} · {escaped('; '.join(suspect.reasons))}", help=times.hover(change.at)
        )


def _way_back(suspect: Suspect, place: int) -> None:
    name = suspect.change.subject
    earlier = before(reads_services.bundles(name), suspect.change.id)
    if earlier is None:
        # It was the first of this service that is known here: there is nothing to go back to.
        return
    redeploy.button(
        name,
        key=f"incident-back-{place}",
        label="Redeploy what ran before",
        bundle=earlier,
        look="primary" if place == 1 and context.shown_person().may(redeploy.COMMAND) else "secondary",
    )


def before(bundles: list[Bundle], operation: str) -> Bundle | None:
    """The bundle that ran before the one an operation deployed; None when that one is not among them."""
    places = [place for place, bundle in enumerate(bundles) if bundle.operation == operation]
    older = bundles[places[0] + 1 :] if places else []
    return next((bundle for bundle in older if bundle.sha256 != bundles[places[0]].sha256), None)


def _since(story: Story) -> str:
    if story.first_bad is None:
        return (
            f"The changes before {incident_words.where(story.incident)} was hurt, "
            f"{times.absolute(story.incident.started_at)}; no failed request is in the telemetry."
        )
    first = story.first_bad
    return (
        f"The first bad request: {escaped(first.service)} answered {first.code} at {times.absolute(first.at)}. "
        "A hint where to look first, not a verdict."
    )
