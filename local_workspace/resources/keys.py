"""Keys and tokens of services: listed, regenerated, issued."""

from __future__ import annotations

import json
import time
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_workspace import ledger, tokens
from local_workspace.resources import operations, service_rules, services
from local_workspace.wire import Call, Refused, route

TOKEN_SECONDS = 12 * 3600
REFRESH_SECONDS = 11 * 3600


def routes(resource_id: str) -> list[Route]:
    """What model management says about the secrets of a service."""
    base = f"/modelmanagement/v1.0{resource_id}/services/{{name}}"
    return [
        route(f"{base}/listkeys", _list_keys, "POST"),
        route(f"{base}/regenerateKeys", _regenerate, "POST"),
        route(f"{base}/token", _token, "POST"),
    ]


def _list_keys(call: Call) -> dict[str, Any]:
    row = services.must_find(call.workspace.state, call.path["name"])
    secrets = call.workspace.seal.open(row["secrets"])
    return {"primaryKey": secrets["primary"], "secondaryKey": secrets["secondary"]}


def _regenerate(call: Call) -> Response:
    asked, state, name = call.document(), call.workspace.state, call.path["name"]
    slot = str(asked.get("keyType") or "").lower()
    if slot not in ("primary", "secondary"):
        raise Refused(400, "BadRequest", f"There is no key '{asked.get('keyType')}': choose Primary or Secondary.")
    given = asked.get("keyValue")
    if given is not None:
        service_rules.check_key(given)
    with state.transaction() as work:
        row = services.must_find(state, name)
        operations.check_idle(state, name)
        secrets = call.workspace.seal.open(row["secrets"])
        secrets[slot] = given or services.new_key()
        operation_id = operations.begin(state, "regenerate", service=name, service_id=row["id"], ended=True)
        work.execute("UPDATE services SET secrets = ? WHERE name = ?", (call.workspace.seal.close(secrets), name))
        ledger.record(
            state,
            "regenerate",
            "key",
            name,
            version=slot,
            caller=call.caller,
            operation_id=operation_id,
        )
    call.workspace.rollouts.set_access(name)
    return Response(status_code=202, headers=operations.location(call, operation_id))


def _token(call: Call) -> Response:
    row = services.must_find(call.workspace.state, call.path["name"])
    if not json.loads(row["document"]).get("aadAuthEnabled"):
        raise Refused(
            400,
            "TokenAuthenticationDisabled",
            f"{row['name']} does not authenticate by token: enable token authentication, or use its keys.",
        )
    issued = int(time.time())
    expiry = issued + TOKEN_SECONDS
    secret = call.workspace.seal.open(row["secrets"])["token_secret"]
    claims = {"svc": row["name"], "iat": issued, "exp": expiry, "oid": call.caller.object_id}
    return JSONResponse(
        {
            "accessToken": tokens.sign(claims, secret=secret),
            "tokenType": "Bearer",
            "refreshAfter": issued + REFRESH_SECONDS,
            "expiryOn": expiry,
        },
        status_code=201,
    )
