"""Who may call a service: one of its two keys, or a token signed for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from .access_log import BAD_KEY, BAD_TOKEN

MAX_REMEMBERED_TOKENS = 1024


class Gate:
    """The access rules of one service, as they are now."""

    def __init__(self, service: str, access: dict[str, Any]) -> None:
        """`access` has the fields of `interface.Access`."""
        self._service = service
        self._by_key = bool(access["auth_enabled"])
        self._by_token = bool(access["aad_auth_enabled"])
        self.reason = BAD_TOKEN if self._by_token else BAD_KEY
        """Why somebody is not let in."""
        self._keys = [key.encode() for key in (access["primary_key"], access["secondary_key"]) if key]
        self._token_secret = str(access["token_secret"]).encode()
        # Checked tokens and when they end: the signature is computed once a token, not once a request.
        self._remembered: dict[bytes, float] = {}

    def lets_in(self, authorization: bytes) -> bool:
        """Whether this Authorization header opens the service."""
        if not self._by_key and not self._by_token:
            return True
        if authorization[:7].lower() != b"bearer ":
            return False
        credential = authorization[7:].strip()
        if self._by_key and any(hmac.compare_digest(credential, key) for key in self._keys):
            return True
        return self._by_token and self._is_token(credential)

    def _is_token(self, token: bytes) -> bool:
        now = time.time()
        ends = self._remembered.get(token)
        if ends is None:
            ends = self._end_of(token)
            if len(self._remembered) >= MAX_REMEMBERED_TOKENS:
                self._remembered.clear()
            self._remembered[token] = ends
        return now < ends

    def _end_of(self, token: bytes) -> float:
        """When a genuine token of this service ends; 0 for anything else."""
        signed, _, signature = token.rpartition(b".")
        if not self._token_secret or signed.count(b".") != 1:
            return 0.0
        expected = base64.urlsafe_b64encode(hmac.digest(self._token_secret, signed, hashlib.sha256)).rstrip(b"=")
        # Compared as text: other letters that decode to the same bytes are another token.
        if not hmac.compare_digest(signature, expected):
            return 0.0
        header, claims = (_decode(part) for part in signed.split(b"."))
        if header.get("alg") != "HS256" or claims.get("svc") != self._service:
            return 0.0
        try:
            return float(claims.get("exp", 0))
        except (TypeError, ValueError):
            return 0.0


def _decode(part: bytes) -> dict[str, Any]:
    try:
        document = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
