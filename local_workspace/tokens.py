"""Bearer tokens: decodable JWTs with the claims the SDK looks at, compared whole and in constant time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEN_YEARS_SECONDS = 10 * 365 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who is calling, as the token's claims say, and whether it may change anything."""

    object_id: str
    tenant_id: str
    name: str
    may_write: bool

    def created_by(self) -> dict[str, Any]:
        """The wire's `createdBy`."""
        return {
            "userObjectId": self.object_id,
            "userPuId": None,
            "userIdp": None,
            "userAltSecId": None,
            "userIss": f"https://sts.windows.net/{self.tenant_id}/",
            "userTenantId": self.tenant_id,
            "userName": self.name,
        }


def sign(claims: Mapping[str, Any], *, secret: str) -> str:
    """A JWT signed with HMAC-SHA256."""
    head = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{_base64url(signature)}"


def mint(*, name: str, object_id: str, tenant_id: str) -> str:
    """A token for one caller of the workspace; it is recognised by its bytes, not by its claims."""
    issued = int(time.time())
    claims = {
        "aud": "local-workspace",
        "iss": f"https://sts.windows.net/{tenant_id}/",
        "iat": issued,
        "nbf": issued,
        "exp": issued + TEN_YEARS_SECONDS,
        "oid": object_id,
        "tid": tenant_id,
        "name": name,
        "jti": secrets.token_hex(16),
    }
    return sign(claims, secret=secrets.token_hex(32))


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token, unverified: for reading back our own."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


class Doorman:
    """Knows the two tokens of the workspace and whose they are."""

    def __init__(self, *, token: str, read_token: str) -> None:
        self._known = tuple(
            (value.encode(), _caller(value, may_write=may_write))
            for value, may_write in ((token, True), (read_token, False))
        )

    def caller(self, authorization: str) -> Caller | None:
        """Whom an `Authorization` header belongs to, or None."""
        kind, _, presented = authorization.partition(" ")
        if kind.lower() != "bearer":
            return None
        given = presented.strip().encode()
        found = None
        # Both are always compared, whole, so that the time taken says nothing about the token.
        for known, caller in self._known:
            if hmac.compare_digest(known, given):
                found = caller
        return found


def is_bearer(authorization: str, token: str) -> bool:
    """Whether a header carries exactly this token."""
    return hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())


def _caller(token: str, *, may_write: bool) -> Caller:
    claims = claims_of(token)
    return Caller(object_id=claims["oid"], tenant_id=claims["tid"], name=claims["name"], may_write=may_write)


def _part(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
