"""Reports of incidents as files: Markdown, HTML or the sources as JSON, to who may export them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import context
from services.report_html import POLICY


def report(request: Request) -> Response:
    """One incident's report; who exported it is recorded first."""
    person = context.person(request.cookies)
    parts = request.path_params
    made = context.services().incident_reports.export(person, parts["incident"], parts["form"])
    return Response(
        made.content,
        media_type=made.media_type,
        headers={
            "content-disposition": f'attachment; filename="{made.name}"',
            "cache-control": "private, no-store",
            "content-security-policy": POLICY,
        },
    )


ROUTES = [Route("/reports/{incident}.{form}", report, methods=["GET"])]
