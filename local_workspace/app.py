"""The three applications of the workspace: control plane, blob uploads over TLS, admin."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from local_workspace.gate import Gate
from local_workspace.resources import (
    admin,
    artifacts,
    assets,
    computes,
    empty,
    environments,
    history,
    keys,
    models,
    operations,
    services,
    storage,
    workspaces,
)
from local_workspace.wire import route
from local_workspace.workspace import Workspace

# A page in a browser may reach 127.0.0.1 under a name of its own; it cannot send our name for it.
HOSTS = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False)
EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")


def control_plane(workspace: Workspace) -> ASGIApp:
    """The wire protocol of Azure ML, as the SDK speaks it."""
    identity = workspace.identity
    base = identity.resource_id
    app = Starlette(
        routes=[
            *workspaces.open_routes(identity),
            *operations.open_routes(workspace),
            *storage.routes(workspace.blobs, writable=False),
            *workspaces.routes(identity),
            *artifacts.routes(base),
            *assets.routes(base),
            *models.routes(base),
            *environments.routes(base),
            *computes.routes(identity),
            *keys.routes(base),
            *services.routes(base),
            *operations.routes(base),
            *history.routes(base),
            *empty.routes(base),
            route("/{path:path}", workspaces.nothing_here, *EVERY_METHOD),
        ],
        middleware=[HOSTS, Middleware(Gate, workspace)],
    )
    app.state.workspace = workspace
    # An address with a slash too many is another address here, as in Azure; a redirect would lose the body.
    app.router.redirect_slashes = False
    return app


def blob_storage(workspace: Workspace) -> ASGIApp:
    """What the SDK's storage client talks to, over TLS."""
    return Starlette(routes=[*storage.routes(workspace.blobs, writable=True)], middleware=[HOSTS])


def administration(workspace: Workspace) -> ASGIApp:
    """Ledger and faults."""
    gate = Middleware(admin.AdminGate, workspace.identity.admin_token)
    return Starlette(routes=[*admin.routes(workspace)], middleware=[HOSTS, gate])
