"""`python -m local_workspace container-insights`: whether a cluster's containers' logs are collected."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import quote

from local_workspace import admin_client


def main(arguments: list[str]) -> int:
    """Do what the command line asks; 0 when it was done."""
    parser = argparse.ArgumentParser(prog="python -m local_workspace container-insights", description=__doc__)
    parser.add_argument("name", help="the cluster")
    parser.add_argument("switch", choices=["on", "off", "show"], help="collect the logs, stop it, or say how it is")
    parser.add_argument("--data", type=Path, required=True, help="the folder of the workspace")
    asked = parser.parse_args(arguments)
    path = f"/admin/computes/{quote(asked.name, safe='')}/container-insights"
    try:
        if asked.switch == "show":
            found = admin_client.send(asked.data, "GET", path)
        else:
            found = admin_client.send(asked.data, "PUT", path, {"on": asked.switch == "on"})
    except admin_client.NotDone as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Container Insights of {found['compute']} is {'on' if found['on'] else 'off'}.")
    return 0
