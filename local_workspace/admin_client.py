"""How the commands of `python -m local_workspace` speak to a running workspace: the admin API named in `admin.json`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 30.0


class NotDone(Exception):
    """The workspace refused, or does not answer; the sentence is for whoever typed the command."""


def send(data: Path, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request to the workspace of this folder, and its answer."""
    file = data.expanduser() / "admin.json"
    if not file.exists():
        raise NotDone(f"No local workspace has run on {data}: start it first.")
    admin: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(  # noqa: S310 - the address is the workspace's own, on loopback
        admin["url"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {admin['token']}", "Content-Type": "application/json"},
    )
    try:
        with opener.open(request, timeout=ANSWER_SECONDS) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise NotDone(json.loads(error.read())["error"]["message"]) from error
    except OSError as error:
        raise NotDone(f"The local workspace on {data} does not answer ({error}): is it running?") from error
    return json.loads(text) if text else None
