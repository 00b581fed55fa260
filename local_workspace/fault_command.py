"""`python -m local_workspace fault`: begin, list and end faults of a running workspace."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from local_workspace import admin_client
from local_workspace.faults import DEFAULT_SECONDS, KINDS


def main(arguments: list[str]) -> int:
    """Do what the command line asks; 0 when it was done."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.kind == "list":
            for fault in admin_client.send(asked.data, "GET", "/admin/faults")["value"]:
                print(_line(fault))
        elif asked.kind == "end":
            admin_client.send(asked.data, "DELETE", f"/admin/faults/{asked.id}")
            print(f"Fault {asked.id} has ended.")
        else:
            wanted = ("kind", "service", "seconds", "milliseconds", "rate", "count", "method", "path")
            body = {name: getattr(asked, name) for name in wanted if getattr(asked, name) is not None}
            print(_line(admin_client.send(asked.data, "POST", "/admin/faults", body)))
    except admin_client.NotDone as error:
        print(error, file=sys.stderr)
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


def _line(fault: dict[str, Any]) -> str:
    about = [
        f"{name}={fault[name]}"
        for name in ("service", "milliseconds", "rate", "method", "path", "remaining")
        if fault[name]
    ]
    return "  ".join([fault["id"], fault["kind"], f"until {fault['until']}", *about])
