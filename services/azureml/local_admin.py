"""The admin API of the local workspace: faults on purpose. Its address and token lie beside `connection.json`.

Azure has nothing like it; only the desk's panel for practising uses it, and only on a local workspace.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2 as httpx

from services.errors import Conflict, Invalid, NotFound, Unavailable
from services.scrubbing import remember, scrub

FILE = "admin.json"
DEADLINE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong on purpose, as the workspace has it now."""

    id: str
    kind: str
    until: datetime
    service: str | None = None
    milliseconds: int | None = None
    rate: float | None = None
    method: str | None = None
    path: str | None = None
    remaining: int | None = None


class LocalAdmin:
    """Begin, list and end faults."""

    def __init__(self, connection: Path) -> None:
        """`connection` is the workspace's connection file; what is needed here lies beside it."""
        self._file = connection.with_name(FILE)
        # Nothing is kept open between two questions: nobody would close it.
        self._client = httpx.Client(
            timeout=DEADLINE_SECONDS, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )

    def faults(self) -> list[Fault]:
        """What goes wrong on purpose now, what ends first in front."""
        answer = self._send("GET", "/admin/faults")
        return [_fault(document) for document in answer["value"]]

    def begin(self, asked: Mapping[str, Any]) -> Fault:
        """Begin a fault; the workspace fills in what is left out, and refuses what makes no sense."""
        return _fault(self._send("POST", "/admin/faults", dict(asked)))

    def end(self, fault_id: str) -> None:
        """End a fault; NotFound when none of this id holds."""
        self._send("DELETE", f"/admin/faults/{fault_id}")

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        url, token = self._where()
        try:
            answer = self._client.request(method, url + path, json=body, headers={"Authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:
            raise Unavailable(
                f"The local workspace's admin API does not answer ({type(error).__name__}): is the workspace running?"
            ) from None
        if answer.status_code == 404:
            raise NotFound("This fault does not hold any more: it has ended by itself, or somebody ended it.")
        if answer.status_code == 400:
            raise Invalid(_said(answer.text))
        if answer.status_code == 401:
            raise Conflict("The admin API does not take the token of admin.json: start the local workspace again.")
        if answer.status_code >= 400:
            raise Unavailable(
                f"The local workspace's admin API failed with {answer.status_code}. Try again in a moment."
            )
        return answer.json() if answer.content else None

    def _where(self) -> tuple[str, str]:
        """Read anew each time: the workspace writes the file when it starts."""
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
            url, token = str(document["url"]).rstrip("/"), str(document["token"])
        except FileNotFoundError:
            raise Unavailable(
                f"There is no {FILE} beside the connection file: the local workspace writes it when it starts."
            ) from None
        except (ValueError, KeyError) as problem:
            raise Unavailable(
                f"The file {self._file} cannot be read ({type(problem).__name__}): start the local workspace again, it "
                "writes the file anew."
            ) from None
        remember(token)
        return url, token


def _fault(document: Mapping[str, Any]) -> Fault:
    known: dict[str, Any] = {name: document.get(name) for name in Fault.__dataclass_fields__}
    return Fault(**known | {"until": datetime.fromisoformat(document["until"])})


def _said(text: str) -> str:
    try:
        return scrub(str(json.loads(text)["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        return "The local workspace refuses this fault, and does not say why."
