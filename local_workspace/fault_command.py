"""`python -m local_workspace fault`: begin, list and end faults of a running workspace."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from local_workspace.faults import DEFAULT_SECONDS, KINDS

ANSWER_SECONDS = 30.0


def main(arguments: list[str]) -> int:
    """Do what the command line asks; 0 when it was done."""
    asked = _parser().parse_args(arguments)
    admin = _admin(asked.data)
    if admin is None:
        print(f"No local workspace has run on {asked.data}: start it first.", file=sys.stderr)
        return 1
    try:
        if asked.kind == "list":
            for fault in _send(admin, "GET", "/admin/faults")["value"]:
                print(_line(fault))
        elif asked.kind == "end":
            _send(admin, "DELETE", f"/admin/faults/{asked.id}")
            print(f"Fault {asked.id} has ended.")
        else:
            wanted = ("kind", "service", "seconds", "milliseconds", "rate", "count", "method", "path")
            body = {name: getattr(asked, name) for name in wanted if getattr(asked, name) is not None}
            print(_line(_send(admin, "POST", "/admin/faults", body)))
    except urllib.error.HTTPError as error:
        print(json.loads(error.read())["error"]["message"], file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The local workspace on {asked.data} does not answer ({error}): is it running?", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_workspace fault", description=__doc__)
    parser.add_argument("kind", choices=[*KINDS, "list", "end"], help="what goes wrong; or list, or end ID")
    parser.add_argument("id", nargs="?", help="which fault to end")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the workspace")
    parser.add_argument("--service", help="which service")
    parser.add_argument("--seconds", type=float, help=f"how long (default {DEFAULT_SECONDS:.0f})")
    parser.add_argument("--milliseconds", type=int, help="how slow")
    parser.add_argument("--rate", type=float, help="which share of a service's requests, above 0 and at most 1")
    parser.add_argument("--count", type=int, help="how many requests (answer-lost: 1 unless said)")
    parser.add_argument("--method", help="only requests of this method")
    parser.add_argument("--path", help="only requests whose path has this regular expression, for example '/services$'")
    return parser


def _admin(data: Path) -> dict[str, str] | None:
    file = data.expanduser() / "admin.json"
    if not file.exists():
        return None
    admin: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return admin


def _send(admin: dict[str, str], method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(  # noqa: S310 - the address is the workspace's own, on loopback
        admin["url"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {admin['token']}", "Content-Type": "application/json"},
    )
    with opener.open(request, timeout=ANSWER_SECONDS) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def _line(fault: dict[str, Any]) -> str:
    about = [
        f"{name}={fault[name]}"
        for name in ("service", "milliseconds", "rate", "method", "path", "remaining")
        if fault[name]
    ]
    return "  ".join([fault["id"], fault["kind"], f"until {fault['until']}", *about])
