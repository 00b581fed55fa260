"""Code of a service fetched back from Azure ML: the artifacts that were uploaded when it was deployed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from services.azureml.gateway import Gateway
from services.errors import Invalid

ARTIFACT = "aml://artifact/"
FETCH_SECONDS = 120.0
PACKED = (".tar.gz", ".tgz", ".tar", ".zip")


def fetch_code(gateway: Gateway, asset: Mapping[str, Any], *, into: Path) -> Path:
    """Fetch one part of a service's code into a folder; its file."""
    address = str(asset.get("url") or "")
    origin, _, rest = address.removeprefix(ARTIFACT).partition("/")
    container, _, path = rest.partition("/")
    name = PurePosixPath(path).name
    if not address.startswith(ARTIFACT) or not name or name in (".", ".."):
        raise Invalid(f"Azure keeps this code at {address or 'no address'}, where only a person can fetch it.")
    doing = f"fetch the code {name}"
    base, where = gateway.mms.wire.base("history"), gateway.access.coordinates().path
    found = gateway.mms.wire.read(
        f"{base}/artifact/v2.0{where}/artifacts/contentinfo/{quote(origin)}/{quote(container)}/{quote(path)}",
        doing=doing,
    ).json()
    reply = gateway.mms.wire.fetch(str(found["contentUri"]), doing=doing, timeout=FETCH_SECONDS)
    into.mkdir(parents=True, exist_ok=True)
    file = into / name
    file.write_bytes(reply.body)
    return file


def is_packed(asset: Mapping[str, Any]) -> bool:
    """Whether it is an archive that the service unpacks."""
    return bool(asset.get("unpack")) or str(asset.get("url") or "").endswith(PACKED[:2])
