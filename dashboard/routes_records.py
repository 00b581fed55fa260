"""Records that leave the desk as files: the audit log as CSV, for admins."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard import context


def audit_csv(request: Request) -> Response:
    """The whole audit log of this workspace; that it was exported is recorded first."""
    exported = context.services().audit.export(context.person(request.cookies))
    name = f"audit-{context.now():%Y-%m-%dT%H%M%SZ}.csv"
    return Response(
        exported,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"', "cache-control": "private, no-store"},
    )


ROUTES = [Route("/audit.csv", audit_csv, methods=["GET"])]
